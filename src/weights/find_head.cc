#include "weights/find_head.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "resnet/graph.h"
#include "weights/bookkeeping.h"
#include "weights/head_chain.h"
#include "weights/plain_weights.h"

namespace resnet {
namespace {

constexpr std::size_t kShownModules = 5;
constexpr std::size_t kShownBytes = 110;    // of a list, so that a refusal that holds two stays within a line
constexpr std::int64_t kMostChannels = 64;  // of pictures

bool is_number_type(DType type) {
  return type == DType::kF32 || type == DType::kF16 || type == DType::kBF16 || type == DType::kF64;
}

// "a.b.c." -> "a.b."; "" for "a.".
std::string_view level_above(std::string_view level) {
  const std::size_t dot = level.rfind('.', level.size() - 2);
  return level.size() < 2 || dot == std::string_view::npos ? std::string_view() : level.substr(0, dot + 1);
}

// Encoders of MoCo, SimSiam, BYOL: what stands behind the features there is a projection.
bool is_contrastive(std::string_view prefix) {
  constexpr std::string_view kEncoders[] = {"encoder_q.",      "encoder_k.",      "base_encoder.",  "momentum_encoder.",
                                            "online_encoder.", "target_encoder.", "encoder_query.", "encoder_key."};
  return std::any_of(std::begin(kEncoders), std::end(kEncoders),
                     [&](std::string_view encoder) { return prefix.ends_with(encoder); });
}

class Search {
 public:
  Search(const StateDict& tensors, const FoundNetwork& network, std::int64_t features,
         const std::vector<std::string>& excluded, const std::string& wanted, const std::string& where)
      : tensors_(tensors), network_(network), features_(features), excluded_(excluded), wanted_(wanted), where_(where) {
    const std::size_t base = common_path(network);
    for (const NameInFile& name : network.names) {
      taken_.insert(name.in_file);
      const std::string_view module = split_leaf(name.in_file).module;
      for (std::size_t dot = module.find('.', base); dot != std::string_view::npos; dot = module.find('.', dot + 1)) {
        inside_.insert(module.substr(0, dot + 1));
      }
    }
  }

  HeadSearch run() {
    std::string_view level = network_.prefix;
    std::string_view inner;
    for (bool first = true;; first = false) {
      const std::vector<HeadModule> modules = modules_at(level, first ? std::string_view() : inner);
      if (choose(modules, first)) break;
      if (level.empty()) break;
      inner = level;
      level = level_above(level);
    }
    if (!wanted_.empty() && wanted_ != "none" && result_.head.layers.empty()) no_such_head();
    return std::move(result_);
  }

 private:
  // Length of the path that all names of stem and blocks have in common, with its dot.
  static std::size_t common_path(const FoundNetwork& network) {
    std::string_view common = network.names.front().in_file;
    for (const NameInFile& name : network.names) {
      const std::string_view other = name.in_file;
      const auto [place, ignored] = std::mismatch(common.begin(), common.end(), other.begin(), other.end());
      common = common.substr(0, static_cast<std::size_t>(place - common.begin()));
    }
    return common.rfind('.') == std::string_view::npos ? 0 : common.rfind('.') + 1;
  }

  // What stands at a level and belongs to neither the level inside it nor another network.
  std::vector<HeadModule> modules_at(std::string_view level, std::string_view inner) {
    std::vector<HeadModule> modules;
    std::map<std::string_view, std::size_t> index;
    for (const auto& [full, tensor] : tensors_) {
      const std::string_view name = full;
      if (!name.starts_with(level) || (!inner.empty() && name.starts_with(inner)) || taken_.contains(name)) continue;
      if (is_bookkeeping(name.substr(level.size())) || is_excluded(name)) continue;
      if (is_normalisation(name) && tensor.count() <= kMostChannels) continue;
      const SplitName split = split_leaf(name);
      const std::string_view path = split.module.empty() ? name : split.module;
      if (is_inside(name)) {
        result_.unexpected.emplace_back(name);
        continue;
      }
      if (!is_number_type(tensor.dtype())) continue;  // a buffer
      const auto [place, is_new] = index.emplace(path, modules.size());
      if (is_new) modules.push_back({path, {}, {}});
      HeadModule& module = modules[place->second];
      module.names.push_back(name);
      module.tensors.set("head." + std::string(split.leaf), tensor);
    }
    return modules;
  }

  bool is_excluded(std::string_view name) const {
    return std::any_of(excluded_.begin(), excluded_.end(),
                       [&](const std::string& prefix) { return name.starts_with(prefix); });
  }

  // Among the tensors of stem and blocks.
  bool is_inside(std::string_view name) const {
    if (!name.starts_with(network_.prefix)) return false;
    for (std::size_t dot = name.rfind('.'); dot != std::string_view::npos && dot + 1 > network_.prefix.size();
         dot = dot == 0 ? std::string_view::npos : name.rfind('.', dot - 1)) {
      if (inside_.contains(name.substr(0, dot + 1))) return true;
    }
    return false;
  }

  // By the name of a layer, or of what it stands in.
  bool is_wanted(const HeadModule& module) const {
    const std::string path(module.path), within = "." + wanted_ + ".";
    return path == network_.prefix + wanted_ || (path + ".").starts_with(network_.prefix + wanted_ + ".") ||
           ("." + path + ".").find(within) != std::string::npos;
  }

  bool is_called(const HeadModule& module) const {
    return module.path == wanted_ || module.path == network_.prefix + wanted_ || module.path.ends_with("." + wanted_);
  }

  static std::string words(const HeadModule& module) {
    std::string path = one_line(module.path);
    if (const auto sizes = module.linear()) return fmt::format("{} ({} to {})", path, sizes->in, sizes->out);
    return module.is_norm() ? path + " (batch norm)" : path;
  }

  static std::string list(const std::vector<const HeadModule*>& modules) {
    std::string text;
    std::size_t shown = 0;
    for (; shown < std::min(modules.size(), kShownModules); ++shown) {
      const std::string more = fmt::format("{}{}", shown == 0 ? "" : ", ", words(*modules[shown]));
      if (shown > 0 && text.size() + more.size() > kShownBytes) break;
      text += more;
    }
    if (modules.size() > shown) text += fmt::format(" and {} more", modules.size() - shown);
    return text;
  }

  static std::string names(const std::vector<std::string>& modules) {
    std::string text;
    for (const std::string& module : modules) {
      if (text.size() > 2 * kShownBytes) return text + ", ...";
      text += (text.empty() ? "" : ", ") + one_line(module);
    }
    return text;
  }

  HeadLayer layer_of(const HeadModule& module) {
    std::vector<std::string> notes;
    const StateDict plain = make_leaves_plain(module.tensors, where_, notes);
    HeadLayer layer{std::string(module.path), {}, std::nullopt};
    const Tensor& weight = plain.at("head.weight");
    const Shape flat = {weight.shape()[0], weight.shape()[1]};
    if (weight.shape().size() == 4) {
      result_.notes.push_back(
          fmt::format("the 1x1 convolution {} is the classifier of the pooled features", one_line(module.path)));
      const auto owner = std::make_shared<const Tensor>(weight.in_memory());
      layer.weight = Tensor::view(weight.dtype(), flat, owner->bytes(), owner);
    } else {
      layer.weight = weight;
    }
    if (const Tensor* bias = plain.find("head.bias")) layer.bias = *bias;
    return layer;
  }

  // y = s x + t of a batch norm.
  struct Affine {
    std::vector<double> scale, shift;
  };
  Affine affine(const HeadModule& norm, std::size_t count) const {
    const auto values = [&](const char* leaf, float otherwise) {
      const Tensor* tensor = norm.tensors.find(leaf);
      if (tensor == nullptr) return std::vector<float>(count, otherwise);
      const Tensor plain = tensor->to_f32();
      if (plain.f32().size() != count) fail(ErrorCode::kMismatch, where_, "{} has another size", one_line(norm.path));
      return std::vector<float>(plain.f32().begin(), plain.f32().end());
    };
    const std::vector<float> weight = values("head.weight", 1);
    const std::vector<float> bias = values("head.bias", 0);
    const std::vector<float> mean = values("head.running_mean", 0);
    const std::vector<float> var = values("head.running_var", 1);
    Affine result;
    for (std::size_t i = 0; i < count; ++i) {
      result.scale.push_back(weight[i] / std::sqrt(static_cast<double>(var[i]) + kUsualEpsilon));
      result.shift.push_back(bias[i] - mean[i] * result.scale.back());
    }
    return result;
  }

  // Before the layer W (s x + t) + b = (W s) x + (W t + b); behind it s (W x + b) + t = (s W) x + (s b + t).
  void fold(const PlacedNorm& norm, HeadLayer& layer) const {
    const auto rows = static_cast<std::size_t>(layer.weight.shape()[0]);
    const auto columns = static_cast<std::size_t>(layer.weight.shape()[1]);
    const Affine of = affine(*norm.norm, norm.before ? columns : rows);
    Tensor weight = layer.weight.to_f32().copy();
    Tensor bias =
        layer.bias ? layer.bias->to_f32().copy() : Tensor::zeros(DType::kF32, {static_cast<std::int64_t>(rows)});
    if (bias.f32().size() != rows) fail(ErrorCode::kMismatch, where_, "{}.bias has another size", layer.module);
    for (std::size_t row = 0; row < rows; ++row) {
      const std::span<float> w = weight.mutable_f32().subspan(row * columns, columns);
      double sum = bias.f32()[row];
      if (!norm.before) sum = sum * of.scale[row] + of.shift[row];
      for (std::size_t i = 0; i < columns; ++i) {
        if (norm.before) sum += w[i] * of.shift[i];
        w[i] = static_cast<float>(w[i] * of.scale[norm.before ? i : row]);
      }
      bias.mutable_f32()[row] = static_cast<float>(sum);
    }
    layer.weight = weight;
    layer.bias = bias;
  }

  void take(const HeadChain& chain) {
    for (const HeadModule* layer : chain.layers) result_.head.layers.push_back(layer_of(*layer));
    // Those before a layer from it outwards, as those behind it.
    for (auto norm = chain.norms.rbegin(); norm != chain.norms.rend(); ++norm) {
      if (norm->before) fold(*norm, result_.head.layers[norm->layer]);
    }
    for (const PlacedNorm& norm : chain.norms) {
      if (!norm.before) fold(norm, result_.head.layers[norm.layer]);
      result_.head.norms.emplace_back(norm.norm->path);
    }
    const auto bare = std::count(chain.bare.begin(), chain.bare.end(), true);
    result_.head.bare = bare > 0;
    if (bare > 0 && bare < static_cast<std::ptrdiff_t>(chain.bare.size())) {
      fail(ErrorCode::kUnsupported, where_,
           "some of the head's linear layers follow each other with nothing between them and others do not, which is "
           "not supported: {}",
           list(chain.layers));
    }
    note_chain(chain);
  }

  void note_chain(const HeadChain& chain) {
    if (chain.layers.size() == 1 && chain.norms.empty()) return;
    if (chain.layers.size() == 1 && chain.norms.size() == 1) {
      result_.notes.push_back(
          fmt::format("the batch norm {} was taken into the classifier", one_line(chain.norms.front().norm->path)));
      return;
    }
    std::string text;
    auto norm = chain.norms.begin();
    const auto say_norms = [&](std::size_t layer, bool before) {
      for (; norm != chain.norms.end() && norm->layer == layer && norm->before == before; ++norm) {
        text += words(*norm->norm) + ", ";
      }
    };
    for (std::size_t i = 0; i < chain.layers.size(); ++i) {
      say_norms(i, true);
      text += words(*chain.layers[i]) + ", ";
      say_norms(i, false);
      if (i < chain.bare.size() && !chain.bare[i]) text += "activation, ";
    }
    text.resize(text.size() - 2);
    result_.notes.push_back(fmt::format("the head is taken as {}{}", text,
                                        chain.norms.empty() ? "" : "; batch norms become part of linear layers"));
  }

  void set_aside(const HeadModule& module) {
    for (const std::string_view name : module.names) result_.set_aside.emplace_back(name);
  }

  // DINO's: linear layers, and behind a normalisation a last one whose weights are normed.
  static bool is_dino(const std::vector<HeadModule>& modules) {
    return std::any_of(modules.begin(), modules.end(), [](const HeadModule& module) {
      const bool normed = module.tensors.contains("head.weight_v");
      return normed && module.path.substr(module.path.rfind('.') + 1) == "last_layer";
    });
  }

  // True where the search ends here.
  bool choose(const std::vector<HeadModule>& modules, bool first) {
    std::vector<const HeadModule*> rest;
    const bool all_aside = wanted_ == "none" || (first && is_contrastive(network_.prefix)) || is_dino(modules);
    for (const HeadModule& module : modules) {
      if (all_aside || is_projection(module.path)) {
        set_aside(module);
      } else {
        rest.push_back(&module);
      }
    }
    const std::vector<HeadChain> chains = find_chains(rest, features_);
    if (chains.empty()) return pass_over(rest, first);
    for (const HeadChain& chain : chains) result_.others.emplace_back(chain.layers.back()->path);
    if (!wanted_.empty()) {
      take_wanted(chains, rest);
    } else {
      take_only(chains, rest);
    }
    return true;
  }

  bool pass_over(const std::vector<const HeadModule*>& modules, bool first) {
    for (const HeadModule* module : modules) {
      if (!first) {
        set_aside(*module);
        continue;
      }
      for (const std::string_view name : module->names) result_.unexpected.emplace_back(name);
    }
    return !first && !modules.empty();
  }

  void take_wanted(const std::vector<HeadChain>& chains, const std::vector<const HeadModule*>& modules) {
    std::vector<HeadChain> found;
    for (const HeadChain& chain : chains) {
      if (is_wanted(*chain.layers.back())) found.push_back(chain);
    }
    if (found.empty()) {  // a layer before the last
      for (const HeadModule* module : modules) {
        if (!is_called(*module)) continue;
        if (auto chain = chain_to(*module, modules, features_)) found.push_back(std::move(*chain));
      }
    }
    if (found.empty()) no_such_head();
    if (found.size() > 1) {
      fail(ErrorCode::kNotFound, where_, "several heads are called '{}': {}", one_line(wanted_), list(ends_of(found)));
    }
    HeadChain& chain = found.front();
    std::vector<const HeadModule*> norms;
    for (const HeadModule* module : modules) {
      if (module->is_norm() && stands_with(*module, chain, modules)) norms.push_back(module);
    }
    if (!place_norms(chain, norms, features_, /*dropout=*/true)) refuse({chain}, norms);
    take(chain);
    for (const HeadModule* module : modules) {
      if (!chain.has(*module) && std::find(norms.begin(), norms.end(), module) == norms.end()) set_aside(*module);
    }
  }

  void take_only(const std::vector<HeadChain>& chains, const std::vector<const HeadModule*>& modules) {
    std::vector<const HeadModule*> rest, norms;
    for (const HeadModule* module : modules) {
      const auto is_its = [&](const HeadChain& chain) { return chain.has(*module); };
      if (std::any_of(chains.begin(), chains.end(), is_its)) continue;
      (module->is_norm() ? norms : rest).push_back(module);
    }
    if (chains.size() == 1 && rest.empty()) {
      HeadChain chain = chains.front();
      if (place_norms(chain, norms, features_, /*dropout=*/false)) return take(chain);
    }
    if (chains.size() == 1) rest.insert(rest.end(), norms.begin(), norms.end());
    refuse(chains, rest);
  }

  static std::vector<const HeadModule*> ends_of(const std::vector<HeadChain>& chains) {
    std::vector<const HeadModule*> ends;
    for (const HeadChain& chain : chains) ends.push_back(chain.layers.back());
    return ends;
  }

  [[noreturn]] void refuse(const std::vector<HeadChain>& chains, const std::vector<const HeadModule*>& rest) const {
    if (chains.size() > 1 && rest.empty()) {
      fail(ErrorCode::kUnsupported, where_, "the network has {} heads: {}; --head NAME takes one", chains.size(),
           list(ends_of(chains)));
    }
    fail(ErrorCode::kUnsupported, where_,
         "behind the features is more than a chain of linear layers and batch norms whose order its tensors tell: {}, "
         "and {}; --head NAME takes a linear layer and those before it, --head none the features",
         list(chains.size() == 1 ? chains.front().layers : ends_of(chains)), list(rest));
  }

  [[noreturn]] void no_such_head() const {
    fail(ErrorCode::kNotFound, where_, "no linear layer of {} features is called '{}'{}", features_, one_line(wanted_),
         result_.others.empty() ? "" : "; there are " + names(result_.others));
  }

  const StateDict& tensors_;
  const FoundNetwork& network_;
  std::int64_t features_;
  const std::vector<std::string>& excluded_;
  const std::string& wanted_;
  const std::string& where_;
  std::set<std::string_view> taken_;
  std::set<std::string_view> inside_;
  HeadSearch result_;
};

}  // namespace

HeadSearch find_head(const StateDict& tensors, const FoundNetwork& network, std::int64_t features,
                     const std::vector<std::string>& excluded, const std::string& wanted, const std::string& where) {
  return Search(tensors, network, features, excluded, wanted, where).run();
}

}  // namespace resnet
