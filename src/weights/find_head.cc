#include "weights/find_head.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "resnet/graph.h"
#include "weights/bookkeeping.h"
#include "weights/plain_weights.h"

namespace resnet {
namespace {

constexpr std::size_t kShownModules = 5;
constexpr std::int64_t kMostChannels = 64;  // of pictures

struct HeadModule {
  std::string_view path;
  StateDict tensors;  // by plain leaves, behind "head."
  std::vector<std::string_view> names;
};

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
    if (!wanted_.empty() && wanted_ != "none" && result_.head.module.empty()) no_such_head();
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

  // Of a linear layer or a 1x1 convolution: outputs and inputs.
  static std::optional<std::pair<std::int64_t, std::int64_t>> linear(const HeadModule& module) {
    for (const char* leaf :
         {"head.weight", "head.weight_orig", "head.weight_v", "head.parametrizations.weight.original"}) {
      const Tensor* weight = module.tensors.find(leaf);
      if (weight == nullptr) continue;
      const Shape& shape = weight->shape();
      if (shape.size() == 2 || (shape.size() == 4 && shape[2] == 1 && shape[3] == 1))
        return std::pair(shape[0], shape[1]);
    }
    return std::nullopt;
  }

  bool is_head(const HeadModule& module) const {
    const auto sizes = linear(module);
    return sizes && sizes->second == features_ && sizes->first >= 1;
  }

  static bool is_norm(const HeadModule& module) { return module.tensors.contains("head.running_mean"); }

  bool is_wanted(const HeadModule& module) const {
    return module.path == wanted_ || module.path == network_.prefix + wanted_ || module.path.ends_with("." + wanted_);
  }

  std::string words(const HeadModule& module) const {
    std::string path = one_line(module.path);
    if (const auto sizes = linear(module)) return fmt::format("{} ({} to {})", path, sizes->second, sizes->first);
    return is_norm(module) ? path + " (batch norm)" : path;
  }

  std::string list(const std::vector<const HeadModule*>& modules) const {
    std::string text;
    for (std::size_t i = 0; i < std::min(modules.size(), kShownModules); ++i) {
      text += fmt::format("{}{}", i == 0 ? "" : ", ", words(*modules[i]));
    }
    if (modules.size() > kShownModules) text += fmt::format(" and {} more", modules.size() - kShownModules);
    return text;
  }

  void take(const HeadModule& module) {
    std::vector<std::string> notes;
    const StateDict plain = make_leaves_plain(module.tensors, where_, notes);
    result_.head.module = std::string(module.path);
    const Tensor& weight = plain.at("head.weight");
    const Shape flat = {weight.shape()[0], weight.shape()[1]};
    if (weight.shape().size() == 4) {
      result_.notes.push_back(
          fmt::format("the 1x1 convolution {} is the classifier of the pooled features", one_line(module.path)));
      const auto owner = std::make_shared<const Tensor>(weight.in_memory());
      result_.head.weight = Tensor::view(weight.dtype(), flat, owner->bytes(), owner);
    } else {
      result_.head.weight = weight;
    }
    if (const Tensor* bias = plain.find("head.bias")) result_.head.bias = *bias;
  }

  // A batch norm of the features, next in a Sequential before the linear layer: nothing else stands between them.
  bool stands_before(const HeadModule& norm, const HeadModule& head) const {
    const auto number = [](std::string_view path) {
      int value = -1;
      const std::string_view text = path.substr(path.rfind('.') + 1);
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
      return error == std::errc() && end == text.data() + text.size() ? value : -1;
    };
    const auto parent = [](std::string_view path) { return path.substr(0, path.rfind('.') + 1); };
    if (!is_norm(norm) || parent(norm.path) != parent(head.path)) return false;
    return number(norm.path) >= 0 && number(norm.path) + 1 == number(head.path) &&
           norm.tensors.at("head.running_mean").count() == features_;
  }

  // W (s x + t) + b = (W s) x + (W t + b).
  void fold(const HeadModule& norm) {
    const auto values = [&](const char* leaf, float otherwise) {
      const Tensor* tensor = norm.tensors.find(leaf);
      const auto count = static_cast<std::size_t>(features_);
      if (tensor == nullptr) return std::vector<float>(count, otherwise);
      const Tensor plain = tensor->to_f32();
      if (plain.f32().size() != count) fail(ErrorCode::kMismatch, where_, "{} has another size", one_line(norm.path));
      return std::vector<float>(plain.f32().begin(), plain.f32().end());
    };
    const std::vector<float> weight = values("head.weight", 1);
    const std::vector<float> bias = values("head.bias", 0);
    const std::vector<float> mean = values("head.running_mean", 0);
    const std::vector<float> var = values("head.running_var", 1);
    Tensor linear = result_.head.weight.to_f32().copy();
    const std::int64_t classes = linear.shape()[0];
    Tensor sums = result_.head.bias ? result_.head.bias->to_f32().copy() : Tensor::zeros(DType::kF32, {classes});
    if (sums.count() != classes) fail(ErrorCode::kMismatch, where_, "{}.bias has another size", result_.head.module);
    for (std::size_t row = 0; row < static_cast<std::size_t>(classes); ++row) {
      const std::span<float> w = linear.mutable_f32().subspan(row * weight.size(), weight.size());
      double sum = sums.f32()[row];
      for (std::size_t i = 0; i < w.size(); ++i) {
        const double scale = weight[i] / std::sqrt(static_cast<double>(var[i]) + kUsualEpsilon);
        sum += w[i] * (bias[i] - mean[i] * scale);
        w[i] = static_cast<float>(w[i] * scale);
      }
      sums.mutable_f32()[row] = static_cast<float>(sum);
    }
    result_.head.weight = linear;
    result_.head.bias = sums;
    result_.notes.push_back(fmt::format("the batch norm {} was taken into the classifier", one_line(norm.path)));
  }

  void set_aside(const HeadModule& module) {
    for (const std::string_view name : module.names) result_.set_aside.emplace_back(name);
  }

  // True where the search ends here.
  bool choose(const std::vector<HeadModule>& modules, bool first) {
    std::vector<const HeadModule*> heads;
    std::vector<const HeadModule*> rest;
    for (const HeadModule& module : modules) {
      if (wanted_ == "none" || is_projection(module.path) || (first && is_contrastive(network_.prefix))) {
        set_aside(module);
      } else {
        (is_head(module) ? heads : rest).push_back(&module);
      }
    }
    if (heads.empty()) {
      for (const HeadModule* module : rest) refuse_two_poolings(*module);
      if (!first) {
        for (const HeadModule* module : rest) set_aside(*module);
        return !rest.empty();
      }
      for (const HeadModule* module : rest) {
        for (const std::string_view name : module->names) result_.unexpected.emplace_back(name);
      }
      return false;
    }
    for (const HeadModule* head : heads) result_.others.emplace_back(head->path);
    if (!wanted_.empty()) {
      const auto found =
          std::find_if(heads.begin(), heads.end(), [&](const HeadModule* head) { return is_wanted(*head); });
      if (found == heads.end()) no_such_head();
      take(**found);
      for (const HeadModule& module : modules) {
        if (&module != *found) set_aside(module);
      }
      return true;
    }
    if (heads.size() == 1 && (rest.empty() || (rest.size() == 1 && stands_before(*rest.front(), *heads.front())))) {
      take(*heads.front());
      if (!rest.empty()) fold(*rest.front());
      return true;
    }
    refuse(heads, rest);
  }

  // fastai's, whose features are the averages and the maxima of the last stage.
  void refuse_two_poolings(const HeadModule& module) const {
    const auto sizes = linear(module);
    if (!sizes || sizes->second != 2 * features_) return;
    fail(ErrorCode::kUnsupported, where_,
         "the head {} reads {} values, twice the network's {} features: average and max pooling side by side (fastai), "
         "which is not supported",
         words(module), sizes->second, features_);
  }

  [[noreturn]] void refuse(const std::vector<const HeadModule*>& heads,
                           const std::vector<const HeadModule*>& rest) const {
    if (rest.empty()) {
      fail(ErrorCode::kUnsupported, where_, "the network has {} heads: {}; --head NAME takes one", heads.size(),
           list(heads));
    }
    fail(ErrorCode::kUnsupported, where_,
         "behind the features is more than one linear layer: {}, and {}. Such a head is not supported; --head NAME "
         "takes one linear layer of the features for it",
         list(heads), list(rest));
  }

  [[noreturn]] void no_such_head() const {
    fail(ErrorCode::kNotFound, where_, "no linear layer of {} features is called '{}'{}", features_, one_line(wanted_),
         result_.others.empty() ? "" : fmt::format("; there are {}", fmt::join(result_.others, ", ")));
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
