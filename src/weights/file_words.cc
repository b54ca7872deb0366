#include "weights/file_words.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>

#include "arch/schema.h"
#include "base/error.h"
#include "base/text.h"
#include "weights/class_names.h"

namespace resnet {
namespace {

using WordJson = nlohmann::json;

WordJson parsed_word(const std::string& text) { return WordJson::parse(text, nullptr, /*allow_exceptions=*/false); }

WordJson value_at(const TensorFile& file, const std::string& path) {
  const auto found = file.values.find(path);
  return found == file.values.end() ? WordJson() : parsed_word(found->second);
}

std::string text_in(const WordJson& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::optional<double> number_in(const WordJson& object, const char* key) {
  if (!object.is_object()) return std::nullopt;
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? std::optional(found->get<double>()) : std::nullopt;
}

bool is_true(const WordJson& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() && found->is_boolean() && found->get<bool>();
}

// ---- classes ----

constexpr const char* kClassKeys[] = {"id2label",    "label2id", "class_to_idx", "idx_to_class", "class_names",
                                      "label_names", "classes",  "CLASSES",      "categories",   "vocab"};

// Names by index of a list or of an object in either direction; empty where they are not `count`.
std::vector<std::string> names_in(const WordJson& value, int count) {
  const auto wanted = static_cast<std::size_t>(count);
  std::vector<std::string> names(wanted);
  if (!value.is_structured() || value.size() != wanted) return {};
  std::size_t place = 0;
  for (const auto& [key, item] : value.items()) {
    std::string index = value.is_array() ? std::to_string(place) : item.is_number() ? item.dump() : key;
    const bool by_name = value.is_object() && item.is_number();
    if (!by_name && !item.is_string()) return {};
    ++place;
    if (index.empty() || index.size() > 8 || index.find_first_not_of("0123456789") != std::string::npos) return {};
    const std::size_t at = std::stoul(index);
    if (at >= wanted || !names[at].empty()) return {};
    names[at] = by_name ? key : item.get<std::string>();
  }
  for (std::size_t i = 0; i < wanted; ++i) {
    try {
      check_class_name(names[i], i + 1, "");
    } catch (const Error&) {
      return {};
    }
  }
  return names;
}

// "LABEL_0", "LABEL_1": what transformers writes where nobody gave names.
bool are_placeholders(const std::vector<std::string>& names) {
  return !names.empty() && std::all_of(names.begin(), names.end(), [](const std::string& name) {
    return name.starts_with("LABEL_") && name.find_first_not_of("0123456789", 6) == std::string::npos;
  });
}

std::vector<std::string> search_names(const WordJson& value, int count, int depth) {
  constexpr int kMaxDepth = 6;
  if (!value.is_object() || depth > kMaxDepth) return {};
  for (const char* key : kClassKeys) {
    const auto found = value.find(key);
    if (found == value.end()) continue;
    std::vector<std::string> names = names_in(*found, count);
    if (names.empty()) continue;
    // timm: ImageNet's ids, and what they mean beside them.
    const auto meanings = value.find("label_descriptions");
    if (meanings != value.end() && meanings->is_object()) {
      for (std::string& name : names) {
        if (const std::string meaning = text_in(*meanings, name.c_str()); !meaning.empty()) name = meaning;
      }
    }
    if (!are_placeholders(names)) return names;
  }
  for (const auto& [key, item] : value.items()) {
    if (auto names = search_names(item, count, depth + 1); !names.empty()) return names;
  }
  return {};
}

// ---- preprocessing ----

std::vector<float> floats_in(const WordJson& object, const char* key) {
  std::vector<float> values;
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || found == object.end() || !found->is_array()) return {};
  for (const WordJson& item : *found) {
    if (!item.is_number()) return {};
    values.push_back(item.get<float>());
  }
  return values;
}

std::optional<Preprocessing> checked(const Preprocessing& how, int channels) {
  const auto count = static_cast<std::size_t>(channels);
  if (how.mean.size() != count || how.std.size() != count) return std::nullopt;
  try {
    validate(how);
  } catch (const Error&) {
    return std::nullopt;
  }
  return how;
}

std::optional<Interpolation> interpolation_of(const std::string& name) {
  if (name == "bilinear" || name == "random") return Interpolation::kBilinear;
  if (name == "bicubic") return Interpolation::kBicubic;
  return std::nullopt;
}

// timm's pretrained_cfg: the size, of which the crop is a share (timm/data/transforms_factory.py,
// transforms_imagenet_eval).
std::optional<Preprocessing> timm_preprocessing(const WordJson& config, int channels) {
  const std::vector<float> size = floats_in(config, "input_size");
  const auto interpolation = interpolation_of(text_in(config, "interpolation"));
  const double crop = number_in(config, "crop_pct").value_or(0);
  const std::string mode = text_in(config, "crop_mode");
  if (size.size() != 3 || size[1] != size[2] || !interpolation || crop <= 0 || (!mode.empty() && mode != "center")) {
    return std::nullopt;
  }
  Preprocessing how;
  how.height = how.width = static_cast<int>(size[1]);
  how.resize = static_cast<int>(std::floor(static_cast<double>(size[1]) / crop));
  how.interpolation = *interpolation;
  how.mean = floats_in(config, "mean");
  how.std = floats_in(config, "std");
  return checked(how, channels);
}

std::optional<int> side_in(const WordJson& config, const char* key, const char* inner) {
  if (!config.is_object() || !config.contains(key)) return std::nullopt;
  const WordJson& value = config[key];
  if (value.is_number_integer()) return value.get<int>();
  const auto side = number_in(value, inner);
  return side ? std::optional(static_cast<int>(*side)) : std::nullopt;
}

// Hugging Face's image processors: ConvNext's resizes to size / crop_pct below 384 and crops; others resize the shorter
// side and crop where they are told to. One that does not keep the sides' ratio has no counterpart here.
std::optional<Preprocessing> hugging_face_preprocessing(const WordJson& config, int channels) {
  constexpr double kByte = 1.0 / 255;
  constexpr int kConvNextWarps = 384;
  if (!config.is_object() || (config.contains("do_resize") && !is_true(config, "do_resize"))) return std::nullopt;
  if (std::abs(number_in(config, "rescale_factor").value_or(kByte) - kByte) > 1e-6) return std::nullopt;
  const auto resample = number_in(config, "resample");
  if (!resample || (*resample != 2 && *resample != 3)) return std::nullopt;
  Preprocessing how;
  how.interpolation = *resample == 2 ? Interpolation::kBilinear : Interpolation::kBicubic;
  const auto shorter = side_in(config, "size", "shortest_edge");
  if (!shorter || *shorter < 1) return std::nullopt;
  if (const auto crop = number_in(config, "crop_pct"); crop && *crop > 0) {
    if (*shorter >= kConvNextWarps) return std::nullopt;
    how.height = how.width = *shorter;
    how.resize = static_cast<int>(*shorter / *crop);
  } else if (is_true(config, "do_center_crop")) {
    how.height = side_in(config, "crop_size", "height").value_or(0);
    how.width = side_in(config, "crop_size", "width").value_or(how.height);
    how.resize = *shorter;
  } else {
    return std::nullopt;
  }
  if (config.contains("do_normalize") && !is_true(config, "do_normalize")) {
    how.mean.assign(static_cast<std::size_t>(channels), 0.0F);
    how.std.assign(static_cast<std::size_t>(channels), 1.0F);
  } else {
    how.mean = floats_in(config, "image_mean");
    how.std = floats_in(config, "image_std");
  }
  return checked(how, channels);
}

// ---- the network ----

class Words {
 public:
  Words(const TensorFile& file, std::string prefix, const Architecture& architecture, const std::string& path)
      : file_(file), prefix_(std::move(prefix)), architecture_(architecture), path_(path) {}

  FileWords read() {
    const WordJson config = value_at(file_, "config.json");
    read_hugging_face(config);
    read_timm_config(config);
    if (const WordJson arch = value_at(file_, "arch"); arch.is_string()) read_name(arch.get<std::string>(), "arch");
    read_attributes();
    read_code();
    read_preprocessing(config);
    return std::move(words_);
  }

 private:
  template <typename Value>
  void say(Value Architecture::*member, std::type_identity_t<Value> value, const char* name,
           const std::string& source) {
    if (words_.sources.contains(name)) return;
    words_.changes.set(member, std::move(value));
    words_.sources.emplace(name, source);
  }

  [[noreturn]] void refuse(const std::string& source, const std::string& what) const {
    fail(ErrorCode::kUnsupported, path_, "{} says {}, which this program does not have", source, one_line(what));
  }

  // A network whose program is known says all that tensors do not.
  void say_usual(const std::string& source) {
    const Architecture usual;
    if (architecture_.stem != Stem::kCifar) {
      say(&Architecture::stem_pool, StemPool::kMax, "stem_pool", source);
      say(&Architecture::stem_stride, 2, "stem_stride", source);
    }
    say(&Architecture::strides, {}, "strides", source);
    say(&Architecture::stride_on_first, false, "stride_on_first", source);
    say(&Architecture::dilated_stages, 0, "dilated_stages", source);
    say(&Architecture::bn_eps, usual.bn_eps, "bn_eps", source);
    say(&Architecture::activation, Activation::kRelu, "activation", source);
  }

  // By the name of a function or of PyTorch's class.
  void say_activation(std::string name, const std::string& source) {
    const std::string told = name;
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    if (name == "leakyrelu") name = "leaky_relu";
    if (name == "swish") name = "silu";
    try {
      say(&Architecture::activation, parse_activation(name), "activation", source);
    } catch (const Error&) {
      refuse(source, "the activation " + told);
    }
  }

  // transformers' ResNetConfig.
  void read_hugging_face(const WordJson& config) {
    if (text_in(config, "model_type") != "resnet") return;
    const std::string source = "config.json";
    if (const std::string act = text_in(config, "hidden_act"); !act.empty()) say_activation(act, source);
    if (is_true(config, "downsample_in_first_stage")) {
      say(&Architecture::strides, std::vector<int>(architecture_.depths.size(), 2), "strides", source);
    }
    if (is_true(config, "downsample_in_bottleneck")) {
      say(&Architecture::stride_on_first, architecture_.block == Block::kBottleneck, "stride_on_first", source);
    }
    say_usual(source);
  }

  // timm's config.json for a hub, and transformers' wrapper of it.
  void read_timm_config(const WordJson& config) {
    const std::string name = text_in(config, "architecture");
    if (name.empty() || !config.contains("pretrained_cfg")) return;
    if (config.contains("model_args") && config["model_args"].is_object()) {
      for (const auto& [key, value] : config["model_args"].items()) {
        if (key != "num_classes" && key != "in_chans" && !key.starts_with("drop")) refuse("config.json", key);
      }
    }
    read_name(name, "config.json");
  }

  // "50", "50d", "50_32x4d", "101_2", "xt50_32x4d": a depth, a letter for the stem, groups or a width.
  static bool is_size(std::string_view text) {
    for (const std::string_view kind : {"xt", "t"}) {  // behind "ssl_resne"
      if (text.starts_with(kind)) text.remove_prefix(kind.size());
    }
    return !text.empty() && text[0] >= '0' && text[0] <= '9' &&
           text.find_first_not_of("0123456789_xvbcdst") == std::string_view::npos;
  }

  // A name of timm's or torchvision's registry.
  void read_name(std::string name, const std::string& source) {
    constexpr std::string_view kOthers[] = {"resnetaa", "resnetblur", "resnetv2", "resnest",
                                            "res2ne",   "resnetrs",   "_gn",      "_clip"};
    constexpr std::string_view kOurs[] = {"resnet",       "resnext",       "wide_resnet", "tv_resnet",  "tv_resnext",
                                          "gluon_resnet", "gluon_resnext", "ssl_resne",   "swsl_resne", "ig_resnext"};
    name = name.substr(0, name.find('.'));
    for (const std::string_view other : kOthers) {
      if (name.find(other) != std::string::npos) refuse(source, name);
    }
    const bool ours = std::any_of(std::begin(kOurs), std::end(kOurs), [&](std::string_view start) {
      return name.starts_with(start) && is_size(std::string_view(name).substr(start.size()));
    });
    if (ours && architecture_.stem != Stem::kCifar) say_usual(fmt::format("{}: {}", source, name));
  }

  // Attributes of a pickled module, by the path at which torch's module has them.
  WordJson attribute(const std::string& module, const char* name) const {
    return value_at(file_, fmt::format("{}{}.{}", prefix_, module, name));
  }

  static std::optional<int> same(const WordJson& value) {
    if (value.is_number_integer()) return value.get<int>();
    if (!value.is_array() || value.empty() || !value[0].is_number_integer()) return std::nullopt;
    for (const WordJson& item : value) {
      if (item != value[0]) return std::nullopt;
    }
    return value[0].get<int>();
  }

  // The classes of a pickled module's parts, by what stands before the network.
  void read_classes(const std::string& source) {
    constexpr std::string_view kClass = ".__class__";
    constexpr std::string_view kActivations = "torch.nn.modules.activation.";
    std::string activation;
    for (auto it = file_.values.lower_bound(prefix_); it != file_.values.end() && it->first.starts_with(prefix_);
         ++it) {
      if (!it->first.ends_with(kClass)) continue;
      const WordJson parsed_name = parsed_word(it->second);
      const std::string name = parsed_name.is_string() ? parsed_name.get<std::string>() : "";
      const std::string_view path = std::string_view(it->first).substr(0, it->first.size() - kClass.size());
      const bool smooths = path.ends_with(".aa") && name.find("Identity") == std::string::npos;
      if (smooths || name.find("BlurPool") != std::string::npos) {
        refuse(source, fmt::format("anti-aliasing ({}: {})", path, name));
      }
      if (!name.starts_with(kActivations)) continue;
      const std::string kind = name.substr(kActivations.size());
      if (kind == "Softmax" || kind == "LogSoftmax" || kind == "Sigmoid") continue;  // behind the scores
      if (!activation.empty() && kind != activation) refuse(source, fmt::format("{} and {}", activation, kind));
      activation = kind;
      const WordJson slope = value_at(file_, fmt::format("{}.negative_slope", path));
      if (slope.is_number()) say(&Architecture::negative_slope, slope.get<double>(), "negative_slope", source);
    }
    if (!activation.empty()) say_activation(activation, source);
  }

  // TorchScript's program, as far as one look tells: which activation, which pooling, which eps.
  void read_code() {
    std::string code;
    for (auto it = file_.values.lower_bound("code/"); it != file_.values.end() && it->first.starts_with("code/");
         ++it) {
      const WordJson text = parsed_word(it->second);
      code += text.is_string() ? text.get<std::string>() : it->second;
    }
    if (code.find("batch_norm(") == std::string::npos) return;
    const std::string source = "its TorchScript";
    const auto has = [&](const char* function) { return code.find(function) != std::string::npos; };
    if (!has("max_pool2d") && architecture_.stem == Stem::kCifar) {
      say(&Architecture::stem_pool, StemPool::kNone, "stem_pool", source);
    } else if (has("[3, 3], [2, 2], [1, 1]") && has("max_pool2d")) {
      say(&Architecture::stem_pool, StemPool::kMax, "stem_pool", source);
    }
    std::vector<std::string> activations;
    for (const char* name : {"leaky_relu", "relu6", "silu", "gelu", "hardswish"}) {
      if (has((std::string(name) + "(").c_str()) || has((std::string(name) + "_(").c_str()))
        activations.emplace_back(name);
    }
    if (has("relu_(") || has("torch.relu(")) activations.emplace_back("relu");
    if (activations.size() > 1) refuse(source, activations[0] + " and " + activations[1]);
    if (!activations.empty()) say_activation(activations[0], source);
  }

  void read_attributes() {
    const std::string source = "the pickled module";
    read_classes(source);
    if (const WordJson eps = attribute("bn1", "eps"); eps.is_number()) {
      say(&Architecture::bn_eps, eps.get<double>(), "bn_eps", source);
    }
    const char* stem = architecture_.stem == Stem::kDeep ? "conv1.0" : "conv1";
    const auto stem_stride = same(attribute(stem, "stride"));
    if (!stem_stride) return;
    say(&Architecture::stem_stride, *stem_stride, "stem_stride", source);
    read_pool(source);
    read_blocks(source);
  }

  void read_pool(const std::string& source) {
    const WordJson kind = attribute("maxpool", "__class__");
    const std::string name = kind.is_string() ? kind.get<std::string>() : "";
    if (name.ends_with(".Identity")) return say(&Architecture::stem_pool, StemPool::kNone, "stem_pool", source);
    const auto kernel = same(attribute("maxpool", "kernel_size"));
    const auto stride = same(attribute("maxpool", "stride"));
    const auto padding = same(attribute("maxpool", "padding"));
    const WordJson ceil = attribute("maxpool", "ceil_mode");
    if (!kernel || !stride || !padding) return;  // a function in its forward(), or none: nothing tells
    const bool cut = ceil.is_boolean() && ceil.get<bool>();
    if (name.find("AvgPool") != std::string::npos) {
      if (*kernel != 2 || *stride != 2 || *padding != 0)
        refuse(source, fmt::format("an average pooling of kernel {}", *kernel));
      say(&Architecture::stem_pool, StemPool::kAverage2, "stem_pool", source);
    } else if (*kernel == 3 && *stride == 2 && *padding == 1 && !cut) {
      say(&Architecture::stem_pool, StemPool::kMax, "stem_pool", source);
    } else if (*kernel == 3 && *stride == 2 && *padding == 0 && cut) {
      say(&Architecture::stem_pool, StemPool::kMaxCeil, "stem_pool", source);
    } else if (*kernel == 2 && *stride == 2 && *padding == 0) {
      say(&Architecture::stem_pool, StemPool::kMax2, "stem_pool", source);
    } else {
      refuse(source, fmt::format("a pooling of kernel {}, stride {} and padding {}", *kernel, *stride, *padding));
    }
  }

  // The first block of each stage strides, the second dilates as the stage does.
  void read_blocks(const std::string& source) {
    std::vector<int> strides;
    bool on_first = false;
    for (std::size_t stage = 1; stage <= architecture_.depths.size(); ++stage) {
      const std::string block = fmt::format("layer{}.0.", stage);
      const auto first = same(attribute(block + "conv1", "stride"));
      const auto second = same(attribute(block + "conv2", "stride"));
      if (!first || !second) return;
      if (*first != 1 && *second != 1) refuse(source, block + " strides twice");
      on_first = on_first || *first != 1;
      strides.push_back(std::max(*first, *second));
      for (const char* conv : {"conv1", "conv2"}) {
        const auto dilation = same(attribute(block + conv, "dilation"));
        if (dilation && *dilation != 1) return;  // left open
      }
    }
    say(&Architecture::dilated_stages, 0, "dilated_stages", source);
    say(&Architecture::strides, strides, "strides", source);
    say(&Architecture::stride_on_first, on_first && architecture_.block == Block::kBottleneck, "stride_on_first",
        source);
  }

  void read_preprocessing(const WordJson& config) {
    const int channels = architecture_.in_channels;
    const auto take = [&](std::optional<Preprocessing> how, const char* source) {
      if (!how || words_.preprocessing) return;
      words_.preprocessing = std::move(how);
      words_.preprocessing_source = source;
    };
    take(hugging_face_preprocessing(value_at(file_, "preprocessor_config.json"), channels), "preprocessor_config.json");
    if (config.is_object() && config.contains("pretrained_cfg")) {
      take(timm_preprocessing(config["pretrained_cfg"], channels), "config.json");
    }
  }

  const TensorFile& file_;
  std::string prefix_;
  const Architecture& architecture_;
  const std::string& path_;
  FileWords words_;
};

}  // namespace

FileWords read_words(const TensorFile& file, const std::string& prefix, const Architecture& architecture,
                     const std::string& path) {
  return Words(file, prefix, architecture, path).read();
}

std::vector<std::string> find_class_names(const TensorFile& file, int classes) {
  if (classes < 1) return {};
  for (const auto& [path, text] : file.values) {
    const std::string_view last = std::string_view(path).substr(path.rfind('.') + 1);
    for (const char* key : kClassKeys) {
      if (last != key && text.find(key) == std::string::npos) continue;
      const WordJson value = parsed_word(text);
      std::vector<std::string> names = last == key ? names_in(value, classes) : search_names(value, classes, 0);
      if (!names.empty() && !are_placeholders(names)) return names;
    }
  }
  return {};
}

}  // namespace resnet
