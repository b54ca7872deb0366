#include "weights/module_words.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "resnet/graph.h"
#include "weights/export_words.h"
#include "weights/script_words.h"

namespace resnet {
namespace {

constexpr std::string_view kClass = "__class__";

// A whole number, or a list of equal ones.
std::optional<int> same(const WordJson& value) {
  const auto plain = [](const WordJson& item) -> std::optional<int> {
    constexpr std::int64_t kMost = 1 << 20;
    if (!item.is_number_integer() || item.get<std::int64_t>() < -kMost || item.get<std::int64_t>() > kMost) return {};
    return item.get<int>();
  };
  if (!value.is_array()) return plain(value);
  if (value.empty() || !std::all_of(value.begin(), value.end(), [&](const auto& item) { return item == value[0]; }))
    return std::nullopt;
  return plain(value[0]);
}

// The modules of a file, by torchvision's paths.
class Modules {
 public:
  Modules(const TensorFile& file, const Finding& finding)
      : file_(file), prefix_(finding.prefix), program_(script_attributes(file)), source_("its TorchScript") {
    if (program_.empty()) {
      program_ = export_attributes(file);
      source_ = program_.empty() ? "the pickled module" : "its exported program";
    }
    const auto module_of = [](const std::string& name) { return name.substr(0, name.rfind('.')); };
    for (const auto& [in_file, plain] : finding.map) paths_.emplace(module_of(plain), module_of(in_file));
  }

  bool are_program() const { return !program_.empty(); }
  const std::string& source() const { return source_; }

  // In the file.
  std::string path(const std::string& module) const {
    const auto known = paths_.find(module);
    return known == paths_.end() ? prefix_ + module : known->second;
  }

  WordJson attribute(const std::string& module, std::string_view name) const {
    return at(fmt::format("{}.{}", path(module), name));
  }

  std::string type(const std::string& module) const { return text_of(attribute(module, kClass)); }

  WordJson at(const std::string& path) const {
    const auto found = program_.find(path);
    return found == program_.end() ? value_at(file_, path) : parsed_word(found->second);
  }

  struct Typed {
    std::string path;  // in the file
    std::string type;
  };
  // All that the network has inside, whether they have tensors or not.
  std::vector<Typed> all() const {
    std::vector<Typed> modules;
    const auto collect = [&](const std::map<std::string, std::string>& values) {
      for (auto it = values.lower_bound(prefix_); it != values.end() && it->first.starts_with(prefix_); ++it) {
        const bool is_class = it->first.ends_with("." + std::string(kClass));
        if (!is_class || (&values != &program_ && program_.contains(it->first))) continue;
        const std::string type = text_of(parsed_word(it->second));
        modules.push_back({it->first.substr(0, it->first.size() - kClass.size() - 1), type});
      }
    };
    collect(file_.values);
    collect(program_);
    return modules;
  }

 private:
  static std::string text_of(const WordJson& value) { return value.is_string() ? value.get<std::string>() : ""; }

  const TensorFile& file_;
  std::string prefix_;
  std::map<std::string, std::string> program_;  // attributes that a program says
  std::string source_;                          // for people
  std::map<std::string, std::string> paths_;    // of modules that have tensors, where they are other than torchvision's
};

// "SiLU" of "torch.nn.modules.activation.SiLU" and of "transformers.activations.SiLUActivation"; empty for what is no
// activation, or is one that stands behind the scores.
std::string activation_of(std::string_view type) {
  constexpr std::string_view kActivations = "torch.nn.modules.activation.";
  constexpr std::string_view kEnding = "Activation";
  constexpr std::string_view kBehind[] = {"Softmax", "LogSoftmax", "Sigmoid"};
  constexpr std::string_view kKnown[] = {"ReLU",  "LeakyReLU", "ReLU6",     "PReLU",     "SiLU",    "GELU", "GELUTanh",
                                         "Swish", "Hardswish", "HardSwish", "QuickGELU", "SwishMe", "Mish", "MishMe"};
  const std::string_view kind = type.substr(type.rfind('.') + 1);
  const auto is_one_of = [&](const auto& list) {
    return std::find(std::begin(list), std::end(list), kind) != std::end(list);
  };
  if (is_one_of(kBehind)) return "";
  if (type.starts_with(kActivations) || is_one_of(kKnown)) return std::string(kind);
  if (kind.size() > kEnding.size() && kind.ends_with(kEnding))
    return std::string(kind.substr(0, kind.size() - kEnding.size()));
  return "";
}

bool blurs(std::string_view type) { return type.find("BlurPool") != std::string_view::npos; }

class ModuleReader {
 public:
  ModuleReader(const Modules& modules, const Architecture& architecture, Said& said)
      : modules_(modules), architecture_(architecture), said_(said), source_(modules.source()) {}

  void read() {
    read_activations();
    read_head();
    refuse_maxima();
    if (const WordJson eps = modules_.attribute("bn1", "eps"); eps.is_number()) {
      said_.say(&Architecture::bn_eps, eps.get<double>(), "bn_eps", source_);
    }
    const char* stem = architecture_.stem == Stem::kDeep ? "conv1.0" : "conv1";
    const auto stem_stride = same(modules_.attribute(stem, "stride"));
    read_antialias(/*strides_are_told=*/stem_stride.has_value());
    if (!stem_stride) return;
    said_.say(&Architecture::stem_stride, *stem_stride, "stem_stride", source_);
    read_pool();
    read_stages();
  }

 private:
  void read_activations() {
    const std::vector<std::string> head = between_layers();
    const std::set<std::string> in_head(head.begin(), head.end());
    std::string activation;
    for (const Modules::Typed& module : modules_.all()) {
      const std::string kind = activation_of(module.type);
      if (kind.empty() || in_head.contains(module.path)) continue;
      if (!activation.empty() && kind != activation) said_.refuse(source_, fmt::format("{} and {}", activation, kind));
      activation = kind;
      const WordJson slope = modules_.at(module.path + ".negative_slope");
      if (slope.is_number()) said_.say(&Architecture::negative_slope, slope.get<double>(), "negative_slope", source_);
    }
    if (!activation.empty()) said_.say_activation(activation, source_);
  }

  // Which stands first of the averages and the maxima that a head reads: timm's and fastai's classes.
  void read_two_pools() {
    for (const Modules::Typed& module : modules_.all()) {
      const bool timm = module.type.find("AdaptiveCatAvgMaxPool") != std::string::npos;
      if (!timm && !module.type.ends_with(".AdaptiveConcatPool2d")) continue;
      said_.say(&Architecture::head_pool, timm ? HeadPool::kAverageMax : HeadPool::kMaxAverage, "head_pool", source_);
    }
  }

  // Of features, by their maxima.
  void refuse_maxima() {
    if (architecture_.head_pool != HeadPool::kAverage) return read_two_pools();
    for (const Modules::Typed& module : modules_.all()) {
      const std::string_view kind = std::string_view(module.type).substr(module.type.rfind('.') + 1);
      if (kind.find("Adaptive") == std::string_view::npos || kind.find("Max") == std::string_view::npos) continue;
      said_.refuse(source_, fmt::format("the pooling {} ({})", module.path, module.type));
    }
  }

  // In the file, what stands at the numbers between two linear layers of the head that one Sequential holds.
  std::vector<std::string> between_layers() const {
    constexpr int kMostNumbers = 1000;
    std::vector<std::string> paths;
    for (std::size_t i = 0; i < architecture_.head_widths.size(); ++i) {
      const std::string first = modules_.path(fmt::format("fc.{}", 2 * i));
      const std::string second = modules_.path(fmt::format("fc.{}", 2 * i + 2));
      const std::string sequence = first.substr(0, first.rfind('.') + 1);
      if (!second.starts_with(sequence)) continue;
      const auto number = [&](const std::string& path) {
        int value = kMostNumbers;
        const char* const end = path.data() + path.size();
        const auto [behind, error] = std::from_chars(path.data() + sequence.size(), end, value);
        return error == std::errc() && behind == end ? value : kMostNumbers;
      };
      for (int at = number(first) + 1; at < number(second) && number(second) < kMostNumbers; ++at) {
        paths.push_back(fmt::format("{}{}", sequence, at));
      }
    }
    return paths;
  }

  // The same activation between all linear layers of the head, or none; nothing where a class is unknown.
  void read_head() {
    constexpr std::string_view kNone[] = {"Dropout", "AlphaDropout", "Identity", "Flatten", "BatchNorm1d"};
    std::vector<std::string> kinds;
    const std::vector<std::string> paths = between_layers();
    for (const std::string& path : paths) {
      const WordJson type = modules_.at(path + "." + std::string(kClass));
      const std::string text = type.is_string() ? type.get<std::string>() : "";
      const std::string_view name = std::string_view(text).substr(text.rfind('.') + 1);
      if (std::find(std::begin(kNone), std::end(kNone), name) != std::end(kNone)) continue;
      const bool other = text.starts_with("torch.nn.modules.activation.") && activation_of(text).empty();
      kinds.push_back(other ? std::string(name) : activation_of(text));
      if (kinds.back().empty()) return;
      const WordJson slope = modules_.at(path + ".negative_slope");
      if (slope.is_number()) said_.say(&Architecture::negative_slope, slope.get<double>(), "negative_slope", source_);
    }
    if (paths.empty()) return;
    const auto others = std::count_if(kinds.begin(), kinds.end(), [&](const auto& kind) { return kind != kinds[0]; });
    if (others > 0 || (!kinds.empty() && kinds.size() != architecture_.head_widths.size())) {
      said_.refuse(source_, fmt::format("a head of {} linear layers with {}", architecture_.head_widths.size() + 1,
                                        fmt::join(kinds, " and ")));
    }
    if (kinds.empty()) {
      said_.say(&Architecture::head_activation, HeadActivation::kNone, "head_activation", source_);
    } else {
      said_.say_head_activation(kinds[0], source_);
    }
  }

  // timm's: a module `aa` in blocks that stride, and in the stem's pooling.
  void read_antialias(bool strides_are_told) {
    Antialias kind = Antialias::kNone;
    for (const Modules::Typed& module : modules_.all()) {
      const std::string_view name = std::string_view(module.path).substr(module.path.rfind('.') + 1);
      const bool smooths = name == "aa" && module.type.find("Identity") == std::string::npos;
      if (!smooths && !blurs(module.type)) continue;
      const bool averages = module.type.ends_with(".AvgPool2d");
      const auto size = modules_.at(module.path + ".filt_size");
      const WordJson mode = modules_.at(module.path + ".pad_mode");
      if ((!averages && !module.type.ends_with(".BlurPool2d")) || (size.is_number() && size != 3) ||
          (mode.is_string() && mode != "reflect") || (name != "aa" && !module.path.ends_with("maxpool.1"))) {
        said_.refuse(source_, fmt::format("anti-aliasing ({}: {})", module.path, module.type));
      }
      kind = averages ? Antialias::kAverage : Antialias::kBlur;
    }
    if (kind != Antialias::kNone || strides_are_told) said_.say(&Architecture::antialias, kind, "antialias", source_);
  }

  // Of the stem: it is called maxpool, or is the only maximum; "" where neither is.
  std::string pool_path() const {
    const auto is_pool = [](std::string_view type) {
      return type.ends_with(".MaxPool2d") || type.ends_with(".AvgPool2d");
    };
    for (const char* name : {"maxpool", "maxpool.0"}) {
      if (is_pool(modules_.type(name))) return modules_.path(name);
    }
    std::string only;
    for (const Modules::Typed& module : modules_.all()) {
      if (!module.type.ends_with(".MaxPool2d")) continue;
      if (!only.empty()) return "";
      only = module.path;
    }
    return only;
  }

  // A program that pools by no maximum, and by no average that could be the stem's.
  bool never_pools() const {
    const std::vector<Modules::Typed> modules = modules_.all();
    return modules_.are_program() && std::none_of(modules.begin(), modules.end(), [&](const Modules::Typed& module) {
             const bool averages =
                 module.type.ends_with(".AvgPool2d") && module.path.find("downsample") == std::string::npos;
             return module.type.ends_with(".MaxPool2d") ||
                    (averages && same(modules_.at(module.path + ".stride")) == 2);
           });
  }

  void read_pool() {
    if (modules_.type("maxpool").ends_with(".Identity")) return say_pool(StemPool::kNone);
    const std::string path = pool_path();
    if (path.empty() && never_pools()) return say_pool(StemPool::kNone);
    const auto kernel = same(modules_.at(path + ".kernel_size"));
    const auto stride = same(modules_.at(path + ".stride"));
    const auto padding = same(modules_.at(path + ".padding"));
    const WordJson ceil = modules_.at(path + ".ceil_mode");
    if (!kernel || !stride || !padding) return;  // a function in its forward(), or none: nothing tells
    const bool cut = ceil.is_boolean() && ceil.get<bool>();
    const WordJson type = modules_.at(path + ".__class__");
    const bool averages = type.is_string() && type.get<std::string>().ends_with(".AvgPool2d");
    const auto is = [&](int k, int s, int p, bool c) {
      return *kernel == k && *stride == s && *padding == p && cut == c;
    };
    if (averages && is(2, 2, 0, false)) return say_pool(StemPool::kAverage2);
    if (!averages && blurs(modules_.type("maxpool.1")) && is(3, 1, 1, false)) return say_pool(StemPool::kMaxBlur);
    if (!averages && is(3, 2, 1, false)) return say_pool(StemPool::kMax);
    if (!averages && is(3, 2, 0, true)) return say_pool(StemPool::kMaxCeil);
    if (!averages && is(2, 2, 0, false)) return say_pool(StemPool::kMax2);
    said_.refuse(source_,
                 fmt::format("{} pooling of kernel {}, stride {} and padding {}{}", averages ? "an average" : "a",
                             *kernel, *stride, *padding, cut ? " in ceil mode" : ""));
  }

  void say_pool(StemPool pool) { said_.say(&Architecture::stem_pool, pool, "stem_pool", source_); }

  // The stride of the first block of a stage, whichever of its modules has it; 0 where nothing tells.
  int stride_of(const std::string& block, bool& on_first) const {
    const auto first = same(modules_.attribute(block + "conv1", "stride"));
    const auto second = same(modules_.attribute(block + "conv2", "stride"));
    if (!first || !second) return 0;
    int smooth = 1;
    if (const std::string type = modules_.type(block + "aa"); !type.empty() && !type.ends_with(".Identity")) {
      smooth = same(modules_.attribute(block + "aa", "stride")).value_or(1);
    }
    if (*first != 1 && *second != 1) said_.refuse(source_, block + " strides twice");
    on_first = on_first || (*first != 1 && architecture_.block == Block::kBottleneck);
    return std::max({*first, *second, smooth});
  }

  // The dilation that a stage ends with: of its last 3x3 convolutions, or, where a bottleneck is alone in its stage, of
  // the next stage's first one. Behind the last stage it is no matter.
  int dilation_of(std::size_t stage, int before) const {
    std::string conv = fmt::format("layer{}.0.conv2", stage);
    if (architecture_.block == Block::kBottleneck) {
      if (architecture_.depths[stage - 1] > 1) {
        conv = fmt::format("layer{}.1.conv2", stage);
      } else if (stage < architecture_.depths.size()) {
        conv = fmt::format("layer{}.0.conv2", stage + 1);
      } else {
        return before;
      }
    }
    return std::max(1, same(modules_.attribute(conv, "dilation")).value_or(1));
  }

  // A stage that dilates by a factor would else stride by it.
  void read_stages() {
    const std::size_t stages = architecture_.depths.size();
    std::vector<int> strides;
    bool on_first = false;
    int before = 1;
    std::size_t dilated = 0;
    for (std::size_t stage = 1; stage <= stages; ++stage) {
      const int stride = stride_of(fmt::format("layer{}.0.", stage), on_first);
      if (stride == 0) return;
      const int dilation = dilation_of(stage, before);
      const int factor = dilation / before;
      if (dilation % before != 0 || (stride != 1 && (factor > 1 || dilated > 0))) {
        said_.refuse(source_, fmt::format("layer{} of stride {} and dilation {}", stage, stride, dilation));
      }
      if (dilated > 0 || factor > 1) ++dilated;
      strides.push_back(std::max(stride, factor));
      before = dilation;
    }
    said_.say(&Architecture::dilated_stages, static_cast<int>(dilated), "dilated_stages", source_);
    said_.say(&Architecture::strides, strides, "strides", source_);
    said_.say(&Architecture::stride_on_first, on_first, "stride_on_first", source_);
  }

  const Modules& modules_;
  const Architecture& architecture_;
  Said& said_;
  std::string source_;
};

}  // namespace

void read_module_words(const TensorFile& file, const Finding& finding, const Architecture& architecture, Said& said) {
  const Modules modules(file, finding);
  ModuleReader(modules, architecture, said).read();
}

void check_modules(const TensorFile& file, const Finding& finding, const Architecture& architecture, const Said& said) {
  const Modules modules(file, finding);
  if (same(modules.attribute(architecture.stem == Stem::kDeep ? "conv1.0" : "conv1", "stride")) == std::nullopt) return;
  const auto hold = [&](const Node& node, const char* name, int value) {
    const auto told = same(modules.attribute(node.path, name));
    if (told && *told != value) {
      said.refuse(modules.source(), fmt::format("{}.{} {} where {} is expected", node.path, name, *told, value));
    }
  };
  for (const Node& node : expand(architecture).nodes) {
    if (node.op == Op::kConv) {
      hold(node, "stride", node.stride);
      hold(node, "padding", node.padding);
      hold(node, "dilation", node.dilation);
      hold(node, "groups", node.groups);
    }
    if (node.op == Op::kBatchNorm) {
      const WordJson eps = modules.attribute(node.path, "eps");
      const auto close = [&](double told) { return std::abs(told - node.epsilon) <= 1e-5 * told; };
      if (eps.is_number() && !close(eps.get<double>())) {
        said.refuse(modules.source(), fmt::format("{}.eps {} beside another eps", node.path, eps.get<double>()));
      }
    }
  }
  // timm pools the shortcuts of stages that dilate, too.
  if (architecture.shortcut == Shortcut::kAveragePool && architecture.dilated_stages > 0) {
    for (const Modules::Typed& module : modules.all()) {
      if (module.path.ends_with(".downsample.0") && module.type.ends_with("AvgPool2dSame")) {
        said.refuse(modules.source(), fmt::format("an average pooling of stride 1 ({})", module.path));
      }
    }
  }
}

}  // namespace resnet
