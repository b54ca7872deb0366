#include "weights/caffe_names.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/text.h"

namespace resnet {
namespace {

enum class Layer { kConv, kStatistics, kAffine, kClassifier };

// "layer1.0.bn2" and what of it the layer in the file holds.
struct CaffeLayer {
  std::string module;
  Layer kind = Layer::kConv;
  std::string_view rest;  // behind the layer's name: ".0", "/weights"
};

bool take_text(std::string_view& text, std::string_view start) {
  if (!text.starts_with(start)) return false;
  text.remove_prefix(start.size());
  return true;
}

std::optional<int> take_number(std::string_view& text) {
  constexpr int kMost = 10'000;
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || number > kMost) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

std::optional<char> take_letter(std::string_view& text) {
  if (text.empty() || text[0] < 'a' || text[0] > 'z') return std::nullopt;
  const char letter = text[0];
  text.remove_prefix(1);
  return letter;
}

// "2a_branch1", "4b22_branch2c" behind "res", "bn" or "scale". Blocks are a, b, c, or a, b1, b2.
std::optional<CaffeLayer> block_layer(std::string_view text, Layer kind) {
  const auto stage = take_number(text);
  const auto letter = take_letter(text);
  if (!stage || *stage < 2 || !letter) return std::nullopt;
  const int block = *letter - 'a' + std::max(take_number(text).value_or(1), 1) - 1;
  if (!take_text(text, "_branch")) return std::nullopt;
  const auto branch = take_number(text);
  std::string part;
  if (branch == 1) {
    part = kind == Layer::kConv ? "downsample.0" : "downsample.1";
  } else if (const auto place = take_letter(text); branch == 2 && place) {
    part = fmt::format("{}{}", kind == Layer::kConv ? "conv" : "bn", *place - 'a' + 1);
  } else {
    return std::nullopt;
  }
  return CaffeLayer{fmt::format("layer{}.{}.{}", *stage - 1, block, part), kind, text};
}

std::optional<CaffeLayer> caffe_layer(std::string_view name) {
  std::string_view text = name;
  if (take_text(text, "bn_conv1")) return CaffeLayer{"bn1", Layer::kStatistics, text};
  if (take_text(text, "scale_conv1")) return CaffeLayer{"bn1", Layer::kAffine, text};
  if (take_text(text, "conv1")) return CaffeLayer{"conv1", Layer::kConv, text};
  if (take_text(text, "res")) return block_layer(text, Layer::kConv);
  if (take_text(text, "bn")) return block_layer(text, Layer::kStatistics);
  if (take_text(text, "scale")) return block_layer(text, Layer::kAffine);
  if (!take_text(text, "fc")) return std::nullopt;
  take_number(text);
  return CaffeLayer{"fc", Layer::kClassifier, text};
}

// Blobs in their order, then names that converters give them.
std::string_view leaf_of(Layer kind, std::string_view rest) {
  if (rest.size() < 2 || std::string_view("./_:").find(rest[0]) == std::string_view::npos) return "";
  const std::string_view leaf = rest.substr(1);
  const auto is_any = [&](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), leaf) != names.end();
  };
  if (kind == Layer::kStatistics) {
    if (is_any({"0", "mean", "running_mean", "moving_mean"})) return "running_mean";
    if (is_any({"1", "var", "variance", "running_var", "moving_variance"})) return "running_var";
    if (is_any({"2", "factor", "scale_factor"})) return "factor";
  } else if (is_any({"0", "weight", "weights", "w", "W"}) || (kind == Layer::kAffine && is_any({"gamma", "scale"}))) {
    return "weight";
  } else if (is_any({"1", "bias", "biases", "b"}) || (kind == Layer::kAffine && is_any({"beta", "offset"}))) {
    return "bias";
  }
  if (kind == Layer::kStatistics && is_any({"gamma", "weight"})) return "weight";
  if (kind == Layer::kStatistics && is_any({"beta", "bias"})) return "bias";
  return "";
}

// Caffe of old gave every blob four dimensions, ones before those that it has.
Tensor reshaped(const Tensor& tensor, Layer kind, std::string_view leaf) {
  Shape shape = tensor.shape();
  const std::size_t rank = leaf != "weight" || kind == Layer::kAffine || kind == Layer::kStatistics ? 1
                           : kind == Layer::kClassifier                                             ? 2
                                                                                                    : 4;
  while (shape.size() > rank && shape.front() == 1) shape.erase(shape.begin());
  if (shape == tensor.shape()) return tensor;
  const auto owner = std::make_shared<const Tensor>(tensor.in_memory());
  return Tensor::view(tensor.dtype(), shape, owner->bytes(), owner);
}

class CaffeReader {
 public:
  CaffeReader(const StateDict& tensors, const std::string& where) : tensors_(tensors), where_(where) {}

  std::optional<PlainTensors> run() {
    bool blocks = false;
    for (const auto& [name, tensor] : tensors_) {
      std::optional<CaffeLayer> layer;
      std::string_view leaf;
      for (std::size_t begin = 0; leaf.empty() && begin != std::string::npos;) {  // behind any prefix
        layer = caffe_layer(std::string_view(name).substr(begin));
        if (layer) leaf = leaf_of(layer->kind, layer->rest);
        const std::size_t dot = name.find('.', begin);
        begin = dot == std::string::npos ? dot : dot + 1;
      }
      if (leaf.empty()) {
        result_.tensors.set(name, tensor);
        continue;
      }
      const std::string plain = fmt::format("{}.{}", layer->module, leaf);
      if (!result_.file.emplace(plain, name).second) return std::nullopt;  // two for one place: nobody's names
      blocks = blocks || plain == "layer1.0.conv1.weight";
      (leaf == "factor" ? factors_ : result_.tensors).set(plain, reshaped(tensor, layer->kind, leaf));
    }
    if (!blocks) return std::nullopt;
    for (const auto& [name, factor] : factors_) divide(name.substr(0, name.rfind('.') + 1), factor);
    return std::move(result_);
  }

 private:
  // Statistics are sums of decaying weights, the factor the sum of these.
  void divide(const std::string& norm, const Tensor& factor) {
    if (factor.count() != 1) fail(ErrorCode::kMismatch, where_, "{}: its factor is no number", file_name(norm));
    const float value = factor.to_f32().f32()[0];
    for (const char* leaf : {"running_mean", "running_var"}) {
      const Tensor* sums = result_.tensors.find(norm + leaf);
      if (sums == nullptr) continue;
      Tensor means = sums->to_f32().copy();
      for (float& each : means.mutable_f32()) each = value == 0 ? 0 : each / value;
      result_.tensors.set(norm + leaf, means);
    }
  }

  std::string file_name(const std::string& plain) const {
    const auto known = result_.file.lower_bound(plain);
    return one_line(known == result_.file.end() ? plain : known->second);
  }

  const StateDict& tensors_;
  const std::string& where_;
  StateDict factors_;
  PlainTensors result_;
};

}  // namespace

std::optional<PlainTensors> from_caffe(const StateDict& tensors, const std::string& where) {
  const bool likely = std::any_of(tensors.begin(), tensors.end(),
                                  [](const auto& entry) { return entry.first.find("_branch2a") != std::string::npos; });
  return likely ? CaffeReader(tensors, where).run() : std::nullopt;
}

}  // namespace resnet
