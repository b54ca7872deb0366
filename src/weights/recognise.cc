#include "weights/recognise.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/text.h"
#include "weights/bookkeeping.h"
#include "weights/caffe_names.h"
#include "weights/find_head.h"
#include "weights/found_network.h"
#include "weights/infer.h"
#include "weights/plain_weights.h"
#include "weights/tensor_names.h"

namespace resnet {
namespace {

constexpr std::size_t kShownNetworks = 5;

// Networks that are like ours and are not ours, by what their tensors' names hold.
struct LookAlike {
  std::string_view sign;
  std::string_view name;
};
constexpr LookAlike kLookAlikes[] = {
    {".fc_reduce.", "selective kernels (SKNet)"},
    {".paths.", "selective kernels (SKNet)"},
    {".se.conv.", "efficient channel attention (ECA)"},
    {".se.", "squeeze-and-excitation"},
    {".se_module.", "squeeze-and-excitation (SE-ResNet)"},
    {".squeeze.", "squeeze-and-excitation"},
    {".excitation.", "squeeze-and-excitation"},
    {".fc1.", "squeeze-and-excitation or split attention"},
    {".fc2.", "squeeze-and-excitation or split attention"},
    {".attn.", "attention in its blocks"},
    {".attention.", "attention in its blocks"},
    {".cbam.", "CBAM attention"},
    {".eca.", "efficient channel attention (ECA)"},
    {".gain", "scaled weight standardisation (NF-ResNet)"},
    {".IN.", "instance norm (IBN-Net)"},
    {".convs.", "scales within a block (Res2Net)"},
    {".conv2_offset.", "deformable convolutions"},
    {".aa.", "anti-aliasing"},
};

bool has_part(std::string_view prefix, std::string_view part) {
  for (std::size_t begin = 0; begin < prefix.size();) {
    const std::size_t dot = prefix.find('.', begin);
    if (prefix.substr(begin, dot - begin) == part) return true;
    begin = dot + 1;
  }
  return false;
}

// Of several networks those of lower rank are taken: what the tool that writes such files takes itself.
struct Preference {
  std::string_view part;
  int rank;
};
constexpr Preference kPreferences[] = {
    {"state_dict_ema", 0},     // timm
    {"teacher", 0},            // DINO: averaged
    {"state_dict", 1},         //
    {"model", 1},              // torchvision
    {"model_ema", 3},          // torchvision, DeiT: evaluated where it is asked for
    {"student", 3},            // DINO
    {"ema", 3},                //
    {"ema_model", 3},          //
    {"model_averaged", 3},     //
    {"swa_model", 3},          //
    {"swa_state_dict", 3},     //
    {"ema_state_dict", 3},     //
    {"encoder_k", 3},          // MoCo
    {"momentum_encoder", 3},   //
    {"encoder_key", 3},        //
    {"target_encoder", 3},     // BYOL
    {"target_network", 3},     //
    {"backbone_momentum", 3},  // lightly
};

int rank_of(const FoundNetwork& network) {
  int rank = 1;
  for (const Preference& preference : kPreferences) {
    if (!has_part(network.prefix, preference.part)) continue;
    if (preference.rank != 1) return preference.rank;
  }
  return rank;
}

std::string shown(const FoundNetwork& network) {
  return network.prefix.empty() ? "the top" : fmt::format("`{}`", one_line(network.prefix));
}

std::string list_networks(const std::vector<FoundNetwork>& networks) {
  std::string text;
  for (std::size_t i = 0; i < std::min(networks.size(), kShownNetworks); ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : ", ", shown(networks[i]));
  }
  if (networks.size() > kShownNetworks) text += fmt::format(" and {} more", networks.size() - kShownNetworks);
  return text;
}

// The same names in the same shapes.
bool is_like(const StateDict& tensors, const FoundNetwork& a, const FoundNetwork& b) {
  std::set<std::pair<std::string_view, Shape>> of_a;
  const auto has_shape = [](const NameInFile& name) { return !name.plain.ends_with("num_batches_tracked"); };
  for (const NameInFile& name : a.names) {
    if (has_shape(name)) of_a.emplace(name.plain, tensors.at(name.in_file).shape());
  }
  return std::all_of(b.names.begin(), b.names.end(), [&](const NameInFile& name) {
    return !has_shape(name) || of_a.contains({name.plain, tensors.at(name.in_file).shape()});
  });
}

bool is_named(const FoundNetwork& network, const std::string& take) {
  const std::string with_dot = take.ends_with('.') ? take : take + ".";
  return network.prefix == with_dot || network.prefix.ends_with("." + with_dot) ||
         network.prefix.starts_with(with_dot) || has_part(network.prefix, take);
}

class Recogniser {
 public:
  Recogniser(const StateDict& tensors, const LoadOptions& options, const std::string& path)
      : tensors_(tensors), options_(options), path_(path) {}

  Recognised run() {
    networks_ = find_networks(tensors_);
    if (networks_.empty()) refuse();
    choose();
    StateDict stored = stored_tensors();
    take_head(stored);
    result_.tensors = make_plain(stored, path_, result_.finding.notes, &result_.made_norms);
    add_head();
    list_passed_over();
    read_normalisation();
    return std::move(result_);
  }

 private:
  const FoundNetwork& network() const { return networks_[chosen_]; }

  void choose() {
    if (!options_.take.empty()) {
      take_named();
    } else {
      const auto lowest = std::min_element(networks_.begin(), networks_.end(),
                                           [](const auto& a, const auto& b) { return rank_of(a) < rank_of(b); });
      chosen_ = static_cast<std::size_t>(lowest - networks_.begin());
      for (std::size_t i = 0; i < networks_.size(); ++i) {
        const bool rival = i != chosen_ &&
                           (rank_of(networks_[i]) == rank_of(network()) || !is_like(tensors_, network(), networks_[i]));
        if (!rival) continue;
        fail(ErrorCode::kUnsupported, path_, "holds {} networks: {}; --take NAME takes one", networks_.size(),
             list_networks(networks_));
      }
    }
    Finding& finding = result_.finding;
    finding.prefix = network().prefix;
    finding.names = network().whose;
    finding.by_order = network().by_order;
    for (std::size_t i = 0; i < networks_.size(); ++i) {
      if (i != chosen_) finding.others.push_back(networks_[i].prefix);
    }
    if (networks_.size() > 1 && options_.take.empty()) {
      finding.notes.push_back(fmt::format("the network of {} is taken; --take NAME takes another one: {}",
                                          shown(network()), fmt::join(finding.others, ", ")));
    }
    if (network().by_order) {
      finding.notes.push_back(fmt::format(
          "nobody is known to give such names: the network is taken by the shapes and the order of its tensors, {} for "
          "{}; resnet inspect lists them",
          one_line(network().names.front().in_file), network().names.front().plain));
    }
  }

  void take_named() {
    std::vector<std::size_t> named;
    for (std::size_t i = 0; i < networks_.size(); ++i) {
      if (is_named(networks_[i], options_.take)) named.push_back(i);
    }
    if (named.size() == 1) {
      chosen_ = named.front();
      return;
    }
    fail(ErrorCode::kNotFound, path_, "{} called '{}'; there are {}", named.empty() ? "no network is" : "several are",
         one_line(options_.take), list_networks(networks_));
  }

  StateDict stored_tensors() {
    StateDict stored;
    stored.reserve(tensors_.size());
    for (const NameInFile& name : network().names) {
      if (stored.contains(name.plain)) {
        fail(ErrorCode::kUnsupported, path_, "more than one tensor is {}, {} among them", name.plain,
             one_line(name.in_file));
      }
      stored.add(name.plain, tensors_.at(name.in_file));
      if (is_tutorial_name(name.in_file)) result_.layout = Layout::kTutorial;
      if (name.in_file.substr(network().prefix.size()) != name.plain) {
        result_.finding.map.emplace_back(name.in_file, name.plain);
      }
    }
    return stored;
  }

  // What is another network's, seen from the chosen one: "ema." of "ema.module.resnet.".
  std::vector<std::string> excluded() const {
    std::vector<std::string> prefixes;
    for (std::size_t i = 0; i < networks_.size(); ++i) {
      if (i == chosen_) continue;
      const std::string& other = networks_[i].prefix;
      std::size_t end = 0;
      do {
        const std::size_t dot = other.find('.', end);
        if (dot == std::string::npos) break;
        end = dot + 1;
      } while (network().prefix.starts_with(other.substr(0, end)));
      if (end > 0) prefixes.push_back(other.substr(0, end));
    }
    return prefixes;
  }

  // Channels behind the last block; 0 where that is not to be told.
  static std::int64_t features_of(const StateDict& stored) {
    std::int64_t features = 0;
    int stage = 1;
    for (;; ++stage) {
      const std::string path = fmt::format("layer{}.0.", stage);
      std::int64_t here = 0;
      for (const char* conv : {"conv1", "conv2", "conv3"}) {
        for (const char* leaf : {".weight", ".weight_orig", ".weight_v", ".parametrizations.weight.original"}) {
          const Tensor* weight = stored.find(path + conv + leaf);
          if (weight != nullptr && weight->shape().size() == 4) here = weight->shape()[0];
        }
      }
      if (here == 0) return features;
      features = here;
    }
  }

  void take_head(StateDict& stored) {
    features_ = features_of(stored);
    refuse_twice();
    refuse_attention_pooling();
    refuse_byobnet();
    check_blurs();
    search_ = find_head(tensors_, network(), features_, excluded(), options_.head, path_);
    refuse_look_alikes();
    refuse_surrounded();
    for (const std::string& name : search_.unexpected) {
      const std::string plain = name.substr(network().prefix.size());
      if (!stored.contains(plain)) stored.add(plain, tensors_.at(name));
    }
    Finding& finding = result_.finding;
    std::vector<std::string> modules;
    for (const HeadLayer& layer : search_.head.layers) modules.push_back(layer.module);
    result_.bare_head = search_.head.bare;
    finding.head = fmt::format("{}", fmt::join(modules, ", "));
    finding.heads = search_.others;
    finding.notes.insert(finding.notes.end(), search_.notes.begin(), search_.notes.end());
    if (search_.head.layers.empty() && !search_.set_aside.empty()) result_.beside = search_.set_aside.front();
  }

  // One tensor behind a wrapper's prefix and without it, "module.fc.bias" and "fc.bias".
  void refuse_twice() const {
    const std::vector<std::string> others = excluded();
    for (const auto& [name, tensor] : tensors_) {
      if (!name.starts_with(network().prefix)) continue;
      const std::string_view behind = std::string_view(name).substr(network().prefix.size());
      const std::string plain = torchvision_name(behind);
      if (plain == behind || !behind.ends_with(plain) || !tensors_.contains(network().prefix + plain)) continue;
      const auto is_other = [whole = std::string_view(name)](const std::string& prefix) {
        return whole.starts_with(prefix);
      };
      if (std::any_of(others.begin(), others.end(), is_other)) continue;
      fail(ErrorCode::kFormat, path_, "tensor '{}': is there twice", one_line(plain));
    }
  }

  void refuse_attention_pooling() const {
    for (const auto& [name, tensor] : tensors_) {
      if (name.starts_with(network().prefix + "attnpool.")) {
        fail(ErrorCode::kUnsupported, path_,
             "a network with attention pooling (CLIP), which this program does not have: {}", one_line(name));
      }
    }
  }

  // timm's ByobNet makes networks of many kinds under these names, and tensors do not tell which.
  void refuse_byobnet() const {
    for (const NameInFile& name : network().names) {
      if (name.in_file.find("_kxk.") == std::string::npos) continue;
      fail(ErrorCode::kUnsupported, path_,
           "a network of timm's ByobNet (CLIP's and others), which this program does not have: {}",
           one_line(name.in_file));
    }
  }

  // timm's blurs have a filter that is no weight: 1 2 1 by 1 2 1, for each channel.
  void check_blurs() const {
    constexpr float kRow[] = {0.25F, 0.5F, 0.25F};
    for (const auto& [name, tensor] : tensors_) {
      if (!name.starts_with(network().prefix) || !name.ends_with(".filt")) continue;
      bool usual = name.ends_with(".aa.filt") || name.ends_with("maxpool.1.filt");
      const Shape& shape = tensor.shape();
      usual = usual && shape.size() == 4 && shape[1] == 1 && shape[2] == 3 && shape[3] == 3;
      if (usual) {
        const Tensor filter = tensor.to_f32();
        for (std::size_t i = 0; i < filter.f32().size(); ++i) {
          usual = usual && std::abs(filter.f32()[i] - kRow[i / 3 % 3] * kRow[i % 3]) < 1e-6F;
        }
      }
      if (usual) continue;
      fail(ErrorCode::kUnsupported, path_,
           "a network with another blur than timm's, which this program does not have: {}", one_line(name));
    }
  }

  void refuse_look_alikes() const {
    for (const std::string& name : search_.unexpected) {
      for (const LookAlike& other : kLookAlikes) {
        if (name.find(other.sign) == std::string::npos) continue;
        fail(ErrorCode::kUnsupported, path_, "a network with {}, which this program does not have: {}", other.name,
             one_line(name));
      }
    }
  }

  // A layer that reads the features is no classifier where what it gives goes on: into a transformer, a decoder, the
  // centres of an embedding.
  void refuse_surrounded() const {
    constexpr std::size_t kInList = 70;  // bytes of each name, so that the line stays short
    if (search_.head.layers.empty() || !options_.head.empty()) return;
    const std::string& head = search_.head.layers.back().module;
    const auto [end, ignored] =
        std::mismatch(head.begin(), head.end(), network().prefix.begin(), network().prefix.end());
    const std::string_view common = std::string_view(head).substr(0, static_cast<std::size_t>(end - head.begin()));
    const std::string_view level = common.substr(0, common.rfind('.') + 1);
    const std::vector<std::string> others = excluded();
    for (const auto& [name, tensor] : tensors_) {
      const std::string_view leaf = std::string_view(name).substr(name.rfind('.') + 1);
      const auto is_other = [whole = std::string_view(name)](const std::string& prefix) {
        return whole.starts_with(prefix);
      };
      if (name.starts_with(level) || tensor.shape().size() < 2 || leaf.find("weight") == std::string_view::npos ||
          is_bookkeeping(name) || is_projection(name) || std::any_of(others.begin(), others.end(), is_other)) {
        continue;
      }
      fail(ErrorCode::kUnsupported, path_,
           "the network of {} is a part of a larger one: {} reads its features, and beside it stands {}; --head {} "
           "takes that layer for the classifier, --head none none",
           shown(network()), one_line(head, kInList), one_line(name, kInList), one_line(head, kInList));
    }
  }

  void add_head() {
    const std::vector<HeadLayer>& layers = search_.head.layers;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const HeadLayer& layer = layers[i];
      const std::string plain = layers.size() == 1 ? "fc" : fmt::format("fc.{}", 2 * i);
      const Tensor no_bias = Tensor::zeros(DType::kF32, {layer.weight.shape()[0]});
      result_.tensors.set(plain + ".weight", layer.weight);
      result_.tensors.set(plain + ".bias", layer.bias.value_or(no_bias));
      if (layer.module == network().prefix + plain) continue;
      result_.finding.map.emplace_back(layer.module + ".weight", plain + ".weight");
      if (layer.bias) result_.finding.map.emplace_back(layer.module + ".bias", plain + ".bias");
    }
  }

  void list_passed_over() {
    std::set<std::string_view> used;
    for (const NameInFile& name : network().names) used.insert(name.in_file);
    std::set<std::string_view> of_head(search_.head.norms.begin(), search_.head.norms.end());
    for (const HeadLayer& layer : search_.head.layers) of_head.insert(layer.module);
    const auto is_of_head = [&](std::string_view path) {
      for (; !path.empty(); path = path.substr(0, path.rfind('.') == path.npos ? 0 : path.rfind('.'))) {
        if (of_head.contains(path)) return true;
      }
      return false;
    };
    for (const auto& [name, tensor] : tensors_) {
      if (!is_of_head(name) && !used.contains(name)) result_.finding.passed_over.push_back(name);
    }
  }

  // Buffers such as normalize.mean and normalize.std; some count in bytes.
  void read_normalisation() {
    const auto values = [&](const std::string& name) {
      const Tensor* tensor = tensors_.find(name);
      std::vector<float> result;
      if (tensor == nullptr || tensor->count() < 1 || tensor->count() > 64) return result;
      const Tensor plain = tensor->to_f32();
      result.assign(plain.f32().begin(), plain.f32().end());
      return result;
    };
    for (const std::string& name : result_.finding.passed_over) {
      if (!is_normalisation(name) || !name.ends_with("mean")) continue;
      std::vector<float> mean = values(name);
      std::vector<float> std = values(name.substr(0, name.size() - 4) + "std");
      if (mean.empty() || mean.size() != std.size()) continue;
      constexpr float kByte = 255;
      const bool bytes =
          *std::max_element(std.begin(), std.end()) > 2 || *std::max_element(mean.begin(), mean.end()) > 2;
      for (std::vector<float>* list : {&mean, &std}) {
        for (float& value : *list) value /= bytes ? kByte : 1.0F;
      }
      result_.mean = std::move(mean);
      result_.std = std::move(std);
      result_.finding.notes.push_back(fmt::format(
          "the network prepares pictures with its {} and std: they become the preprocessing's, in the order of its "
          "channels",
          one_line(name)));
      return;
    }
  }

  [[noreturn]] void refuse() const {
    std::string first;
    for (const auto& [name, tensor] : tensors_) {
      constexpr std::string_view kPreactivation[] = {"bn_data", "resnetv2"};  // MXNet's and Gluon's
      for (const std::string_view sign : kPreactivation) {
        if (name.find(sign) == std::string::npos) continue;
        fail(ErrorCode::kUnsupported, path_,
             "a pre-activation network (ResNet v2), which this program does not have: {}", one_line(name));
      }
    }
    for (const auto& [name, tensor] : tensors_) {
      if (tensor.shape().size() == 4) {
        first = fmt::format("; its first convolution is {} ({})", one_line(name), to_string(tensor.shape()));
        break;
      }
    }
    if (first.empty())
      fail(ErrorCode::kMismatch, path_,
           "cannot tell the architecture: there is no conv1.weight, nor any other convolution among its {} tensors",
           tensors_.size());
    fail(ErrorCode::kMismatch, path_,
         "cannot tell the architecture: no residual network among its {} tensors{}; resnet inspect lists them",
         tensors_.size(), first);
  }

  const StateDict& tensors_;
  const LoadOptions& options_;
  const std::string& path_;
  std::vector<FoundNetwork> networks_;
  std::size_t chosen_ = 0;
  std::int64_t features_ = 0;
  HeadSearch search_;
  Recognised result_;
};

}  // namespace

Recognised recognise(const StateDict& tensors, const LoadOptions& options, const std::string& path) {
  const std::optional<PlainTensors> caffe = from_caffe(tensors, path);
  if (!caffe) return Recogniser(tensors, options, path).run();
  Recognised result = Recogniser(caffe->tensors, options, path).run();
  result.finding.names = "Caffe";
  result.finding.map.clear();
  for (const auto& [plain, in_file] : caffe->file) {
    if (caffe->tensors.contains(plain)) result.finding.map.emplace_back(in_file, plain);
  }
  return result;
}

}  // namespace resnet
