#include "weights/file_words.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "weights/class_names.h"
#include "weights/module_words.h"
#include "weights/picture_words.h"
#include "weights/word_values.h"

namespace resnet {
namespace {

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

// ---- the network ----

class Words {
 public:
  Words(const TensorFile& file, const Finding& finding, const Architecture& architecture, const std::string& path)
      : file_(file), finding_(finding), architecture_(architecture), path_(path), said_(words_, path) {}

  FileWords read() {
    const WordJson config = value_at(file_, "config.json");
    read_hugging_face(config);
    read_timm_config(config);
    read_module_words(file_, finding_, architecture_, said_);
    read_filters();
    read_trainer();
    Architecture told = architecture_;
    words_.changes.apply_to(told);
    check_possible(told);
    check_modules(file_, finding_, told, said_);
    read_preprocessing(config);
    return std::move(words_);
  }

 private:
  // What a file says of its network is no more trustworthy than the rest of it.
  void check_possible(const Architecture& told) const {
    try {
      validate(told);
    } catch (const Error& error) {
      fail(ErrorCode::kUnsupported, path_, "says of its network what cannot be: {}", error.what());
    }
  }

  // A network whose program is known says all that tensors do not.
  void say_usual(const std::string& source, Antialias antialias = Antialias::kNone) {
    const Architecture usual;
    said_.say_antialias(antialias, architecture_, source);
    if (architecture_.stem != Stem::kCifar) {
      said_.say(&Architecture::stem_pool, StemPool::kMax, "stem_pool", source);
      said_.say(&Architecture::stem_stride, 2, "stem_stride", source);
    }
    said_.say(&Architecture::strides, {}, "strides", source);
    said_.say(&Architecture::stride_on_first, false, "stride_on_first", source);
    said_.say(&Architecture::dilated_stages, 0, "dilated_stages", source);
    said_.say(&Architecture::bn_eps, usual.bn_eps, "bn_eps", source);
    said_.say(&Architecture::activation, Activation::kRelu, "activation", source);
  }

  // transformers' ResNetConfig.
  void read_hugging_face(const WordJson& config) {
    if (text_in(config, "model_type") != "resnet") return;
    const std::string source = "config.json";
    if (const std::string act = text_in(config, "hidden_act"); !act.empty() && act != "relu") {
      said_.refuse(source, fmt::format("the activation {} for stem and additions, beside ReLU inside of blocks", act));
    }
    if (is_true(config, "downsample_in_first_stage")) {
      said_.say(&Architecture::strides, std::vector<int>(architecture_.depths.size(), 2), "strides", source);
    }
    if (is_true(config, "downsample_in_bottleneck")) {
      said_.say(&Architecture::stride_on_first, architecture_.block == Block::kBottleneck, "stride_on_first", source);
    }
    say_usual(source);
  }

  // timm's config.json for a hub, and transformers' wrapper of it.
  void read_timm_config(const WordJson& config) {
    const std::string name = text_in(config, "architecture");
    const bool wraps = text_in(config, "model_type") == "timm_wrapper";
    if (name.empty() || (!wraps && !config.contains("pretrained_cfg"))) return;
    const std::string source = "config.json";
    if (config.contains("model_args")) read_arguments(config["model_args"], source);
    read_pooling(text_in(config, "global_pool"), source);
    read_name(name, source);
  }

  // A checkpoint of timm's or of PyTorch's example for ImageNet: the name of the network, and timm's arguments for it.
  void read_trainer() {
    const WordJson arch = value_at(file_, "arch");
    if (!arch.is_string()) return;
    if (value_at(file_, "args.model") == arch) {
      read_arguments(value_at(file_, "args.model_kwargs"), "args.model_kwargs");
      const WordJson pool = value_at(file_, "args.gp");
      if (pool.is_string()) read_pooling(pool.get<std::string>(), "args.gp");
    }
    read_name(arch.get<std::string>(), "arch");
  }

  // Of timm's create_model().
  void read_arguments(const WordJson& arguments, const std::string& source) {
    if (!arguments.is_object()) return;
    constexpr const char* kHarmless[] = {"num_classes", "in_chans",  "pretrained",  "zero_init_last",
                                         "scriptable",  // and what tensors tell:
                                         "layers",      "channels",  "cardinality", "base_width",
                                         "stem_width",  "stem_type", "avg_down"};
    for (const auto& [key, value] : arguments.items()) {
      const bool harmless = std::find(std::begin(kHarmless), std::end(kHarmless), key) != std::end(kHarmless);
      if (value.is_null() || harmless || key.starts_with("drop")) continue;
      if (key == "output_stride" && value.is_number_integer()) {
        read_output_stride(value.get<std::int64_t>(), source);
      } else if (key == "act_layer" && value.is_string()) {
        said_.say_activation(value.get<std::string>(), source);
      } else if (key == "global_pool" && value.is_string()) {
        read_pooling(value.get<std::string>(), source);
      } else {
        said_.refuse(source, fmt::format("{} {}", key, value.dump()));
      }
    }
  }

  // The stages behind this stride dilate. timm pools their shortcuts, too, where it pools shortcuts.
  void read_output_stride(std::int64_t stride, const std::string& source) {
    if (stride == 32) return;
    if ((stride != 8 && stride != 16) || architecture_.shortcut == Shortcut::kAveragePool) {
      said_.refuse(source, fmt::format("output_stride {}{}", stride,
                                       stride == 8 || stride == 16 ? " with average-pooled shortcuts" : ""));
    }
    said_.say(&Architecture::dilated_stages, stride == 8 ? 2 : 1, "dilated_stages", source);
  }

  void read_pooling(const std::string& pool, const std::string& source) {
    if (pool == "catavgmax" && architecture_.head_pool != HeadPool::kAverage) {
      said_.say(&Architecture::head_pool, HeadPool::kAverageMax, "head_pool", source);
    } else if (!pool.empty() && pool != "avg" && pool != "fast" && pool != "fastavg") {
      said_.refuse(source, fmt::format("the pooling {} of its features", pool));
    }
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
    constexpr std::string_view kOthers[] = {"resnetv2", "resnest", "res2ne", "resnetrs", "_gn", "_clip"};
    constexpr std::string_view kOurs[] = {"resnet",       "resnext",       "wide_resnet", "tv_resnet",  "tv_resnext",
                                          "gluon_resnet", "gluon_resnext", "ssl_resne",   "swsl_resne", "ig_resnext"};
    name = name.substr(0, name.find('.'));
    for (const std::string_view other : kOthers) {
      if (name.find(other) != std::string::npos) said_.refuse(source, name);
    }
    constexpr std::pair<std::string_view, Antialias> kSmooth[] = {{"resnetaa", Antialias::kAverage},
                                                                  {"resnetblur", Antialias::kBlur}};
    for (const auto& [start, antialias] : kSmooth) {
      if (!name.starts_with(start)) continue;
      if (!is_size(std::string_view(name).substr(start.size()))) said_.refuse(source, name);
      return say_usual(fmt::format("{}: {}", source, name), antialias);
    }
    const bool ours = std::any_of(std::begin(kOurs), std::end(kOurs), [&](std::string_view start) {
      return name.starts_with(start) && is_size(std::string_view(name).substr(start.size()));
    });
    if (ours && architecture_.stem != Stem::kCifar) say_usual(fmt::format("{}: {}", source, name));
  }

  // Blurs that a file has as tensors, as TorchScript's do.
  void read_filters() {
    for (const std::string& name : finding_.passed_over) {
      if (name.ends_with(".aa.filt")) said_.say_antialias(Antialias::kBlur, architecture_, name);
    }
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
  const Finding& finding_;
  const Architecture& architecture_;
  const std::string& path_;
  FileWords words_;
  Said said_;
};

}  // namespace

FileWords read_words(const TensorFile& file, const Finding& finding, const Architecture& architecture,
                     const std::string& path) {
  return Words(file, finding, architecture, path).read();
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
