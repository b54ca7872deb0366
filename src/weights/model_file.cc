// From a file to a model and back.
#include "resnet/model_file.h"

#include <algorithm>
#include <numeric>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/text.h"
#include "formats/safetensors.h"
#include "formats/torch_file.h"
#include "program/check_weights.h"
#include "program/quantized.h"
#include "resnet/graph.h"
#include "weights/checkpoint.h"
#include "weights/file_words.h"
#include "weights/habits.h"
#include "weights/infer.h"
#include "weights/metadata.h"
#include "weights/model_source.h"
#include "weights/nonfinite.h"
#include "weights/open_fields.h"
#include "weights/output_format.h"
#include "weights/recognise.h"
#include "weights/tensor_names.h"

namespace resnet {
namespace {

// A block has at least ten tensors. An architecture far beyond what the file could hold is refused before it is
// expanded, so that a small file costs little memory.
void check_block_count(const Architecture& architecture, const StateDict& tensors, const std::string& path) {
  constexpr std::size_t kTensorsPerBlock = 10;
  constexpr std::size_t kFreeBlocks = 100;
  const auto blocks =
      static_cast<std::size_t>(std::accumulate(architecture.depths.begin(), architecture.depths.end(), 0));
  if (blocks > kFreeBlocks + tensors.size() / kTensorsPerBlock) {
    fail(ErrorCode::kMismatch, path, "does not fit {}: {} blocks, but only {} tensors", architecture.name, blocks,
         tensors.size());
  }
}

Architecture choose_architecture(const TensorFile& file, Layout layout, const LoadOptions& options,
                                 const std::string& path) {
  if (options.architecture) {
    validate(*options.architecture);
    return with_sizes_of(file.tensors, layout, *options.architecture);
  }
  if (const auto stated = read_architecture(file.metadata, path)) return *stated;
  return infer_architecture(file.tensors, layout, path);
}

// The tensors under the names and in the order of the graph's, checked; zeros for those that may lack.
StateDict take_weights(const Graph& graph, const StateDict& tensors, const std::string& path) {
  StateDict weights;
  std::unordered_set<std::string> known;
  const auto take = [&](const std::string& name) {
    const auto in_file = known.insert(torchvision_name(name)).first;
    const Tensor* tensor = tensors.find(*in_file);
    if (tensor != nullptr) weights.add(name, *tensor);
    return tensor != nullptr;
  };
  for (const Parameter& parameter : parameters(graph)) {
    if (!take(parameter.name) && is_optional(parameter)) {
      weights.add(parameter.name, Tensor::zeros(parameter.dtype, parameter.shape));
    }
  }
  for (const QuantizationTensor& described : quantization_tensors(graph)) take(described.name);
  Mismatches mismatches;
  compare_weights(graph, weights, mismatches);
  for (const auto& [name, tensor] : tensors) {
    if (!known.contains(name)) mismatches.unexpected(name);
  }
  mismatches.report(path, graph.architecture);
  return weights;
}

// The same of a network that was inferred, where a misfit says that it is another: a few tensors show that.
StateDict take_found_weights(const Graph& graph, const StateDict& tensors, const std::string& path) {
  constexpr std::size_t kMaxLine = 460;
  try {
    return take_weights(graph, tensors, path);
  } catch (const Error& error) {
    const std::string message = error.what();
    std::size_t cut = message.size() <= kMaxLine ? std::string::npos : message.rfind("; ", kMaxLine);
    if (message.size() > kMaxLine && (cut == std::string::npos || cut < path.size() + 2)) {
      cut = message.rfind(", ", kMaxLine);  // within one long list
    }
    if (cut == std::string::npos || cut < path.size() + 2 || !message.starts_with(path + ": ")) throw;
    fail(error.code(), path, "{}; and more", message.substr(path.size() + 2, cut - path.size() - 2));
  }
}

// Of a file that describes itself: gives tensors torchvision's names; the layout that they had.
Layout use_plain_names(StateDict& tensors, const std::string& path) {
  const bool tutorial =
      std::any_of(tensors.begin(), tensors.end(), [](const auto& entry) { return is_tutorial_name(entry.first); });
  try {
    tensors.rename(torchvision_name);
  } catch (const Error& error) {
    fail(error.code(), path, "{}", error.what());
  }
  return tutorial ? Layout::kTutorial : Layout::kTorchvision;
}

// For want of anything that says it, pictures are prepared as who gives such names prepares them.
void take_pictures_as(const Preprocessing& how, Model& model) {
  model.preprocessing = how;
  model.finding.notes.push_back(fmt::format(
      "names are {}'s: pictures are assumed to be prepared as there, --channel-order {} --mean {:.6g} --std {:.6g}",
      model.finding.names, how.channels == ChannelOrder::kBgr ? "bgr" : "rgb", fmt::join(how.mean, ","),
      fmt::join(how.std, ",")));
}

// Takes for a network that was inferred what the file says of it, and notes what nobody does.
void take_words(const TensorFile& file, const LoadOptions& options, const Recognised& recognised,
                const std::string& path, Model& model) {
  if (options.architecture) return;
  FileWords words = read_words(file, model.finding, model.architecture, path);
  const Habits habits = habits_of(file, model.finding, model.architecture, recognised.mean);
  habits.changes.apply_to(model.architecture);
  if (recognised.bare_head) words.sources.emplace("head_activation", "the numbers of its linear layers");
  words.changes.apply_to(model.architecture);
  model.preprocessing = words.preprocessing;
  if (!model.preprocessing && habits.preprocessing) take_pictures_as(*habits.preprocessing, model);
  Architecture shown = model.architecture;
  options.changes.apply_to(shown);
  // Where nobody knows the names, nothing tells whether something without tensors stands before a shortcut's
  // convolution.
  if (model.finding.by_order && shown.shortcut == Shortcut::kProjection &&
      !options.changes.get(&Architecture::shortcut)) {
    model.finding.assumed.push_back({"shortcut", "projection", ""});
  }
  for (const ArchitectureField* field : fields_beyond_tensors()) {
    if (options.changes.says(*field) || !is_open(*field, shown)) continue;
    const std::string name(field->name);
    const std::string value = value_text(*field, shown);
    if (const auto source = words.sources.find(name); source != words.sources.end()) {
      model.finding.said.push_back({name, value, source->second});
    } else {
      model.finding.assumed.push_back({name, value, ""});
    }
  }
}

// Of a network under names that nobody knows: convolutions of shortcuts stand one place later where flags say that
// they are pooled.
void pool_shortcuts(const LoadOptions& options, StateDict& tensors) {
  if (options.changes.get(&Architecture::shortcut) != Shortcut::kAveragePool) return;
  std::unordered_map<std::string, std::string> moved;
  for (const auto& [name, tensor] : tensors) {
    constexpr std::string_view kPart = ".downsample.";
    const std::size_t at = name.find(kPart);
    if (at == std::string::npos) continue;
    const std::string path = name.substr(0, at + kPart.size());
    if (tensors.contains(path + "2.weight")) return;  // they are
    const char place = name[path.size()];
    moved.emplace(name, path + static_cast<char>(place + 1) + name.substr(path.size() + 1));
  }
  tensors.rename([&](std::string_view name) {
    const auto found = moved.find(std::string(name));
    return found == moved.end() ? std::string(name) : found->second;
  });
}

// The rest of the preprocessing is what is usual for such a network, as far as the file does not say it.
void take_normalisation(const Recognised& recognised, Model& model) {
  if (recognised.mean.size() != static_cast<std::size_t>(model.architecture.in_channels)) return;
  Preprocessing how = model.preprocessing.value_or(
      preset(model.architecture.stem == Stem::kCifar ? Preset::kCifar : Preset::kTorchvision));
  how.mean = recognised.mean;
  how.std = recognised.std;
  validate(how);
  model.preprocessing = std::move(how);
}

// Norms that change nothing, with another eps than the usual.
void fit_made_norms(const std::vector<std::string>& norms, const Architecture& architecture, StateDict& tensors) {
  if (architecture.bn_eps == Architecture().bn_eps) return;
  for (const std::string& norm : norms) {
    const std::string name = norm + ".running_var";
    Tensor var = Tensor::zeros(DType::kF32, tensors.at(name).shape());
    std::ranges::fill(var.mutable_f32(), static_cast<float>(1 - architecture.bn_eps));
    tensors.set(name, var);
  }
}

void note_backbone(const LoadOptions& options, const std::string& beside, Model& model) {
  if (options.head == "none") return;
  const std::string place = model.finding.prefix.empty() ? "it" : fmt::format("`{}`", one_line(model.finding.prefix));
  model.finding.notes.push_back(fmt::format(
      "{} holds a {} without a classifier{}", place, model.architecture.name,
      beside.empty() ? ""
                     : fmt::format("; {} is none: it reads no pooled features, or is a projection", one_line(beside))));
}

void check_finite(const StateDict& weights, const std::string& path) {
  const std::vector<NonfiniteTensor> found = find_nonfinite(weights);
  if (found.empty()) return;
  fail(ErrorCode::kUnsupported, path,
       "{}; --allow-nonfinite, or allow_nonfinite in a program, loads the model all the same", describe(found));
}

}  // namespace

void check_weights(const Graph& graph, const StateDict& weights, const std::string& where) {
  Mismatches mismatches;
  compare_weights(graph, weights, mismatches);
  std::unordered_set<std::string> known;
  for (const Parameter& parameter : parameters(graph)) known.insert(parameter.name);
  for (const QuantizationTensor& tensor : quantization_tensors(graph)) known.insert(tensor.name);
  for (const auto& [name, tensor] : weights) {
    if (!known.contains(name)) mismatches.unexpected(name);
  }
  mismatches.report(where, graph.architecture);
}

Model load_model(const std::string& path, const LoadOptions& options) {
  return load_model(read_model_source(path), path, options);
}

Model load_model(TensorFile file, const std::string& path, const LoadOptions& options) {
  if (is_checkpoint(file)) take_network(file);
  Model model;
  Layout layout = Layout::kTorchvision;
  Recognised recognised;
  const bool described = describes_model(file.metadata, path);
  if (described) {
    layout = use_plain_names(file.tensors, path);
  } else {
    recognised = recognise(file.tensors, options, path);
    layout = recognised.layout;
    file.tensors = std::move(recognised.tensors);
    model.finding = std::move(recognised.finding);
    if (model.finding.by_order) pool_shortcuts(options, file.tensors);
  }
  model.architecture = choose_architecture(file, layout, options, path);
  if (recognised.bare_head) model.architecture.head_activation = HeadActivation::kNone;
  if (!described) take_words(file, options, recognised, path, model);
  if (!recognised.mean.empty()) take_normalisation(recognised, model);
  options.changes.apply_to(model.architecture);
  model.architecture = plainly_said(std::move(model.architecture));
  fit_made_norms(recognised.made_norms, model.architecture, file.tensors);
  check_block_count(model.architecture, file.tensors, path);
  model.weights = described ? take_weights(expand(model.architecture), file.tensors, path)
                            : take_found_weights(expand(model.architecture), file.tensors, path);
  if (!options.allow_nonfinite) check_finite(model.weights, path);
  model.classes = read_classes(file.metadata, model.architecture.classes, path);
  if (auto how = read_preprocessing(file.metadata, model.architecture.in_channels, path)) model.preprocessing = how;
  if (!described && model.classes.empty()) model.classes = find_class_names(file, model.architecture.classes);
  if (!described && model.architecture.classes == 0) note_backbone(options, recognised.beside, model);
  model.metadata = other_keys(file.metadata);
  return model;
}

void save_model(const Model& model, const std::string& path) {
  const OutputFormat format = output_format(path);
  check_weights(expand(model.architecture), model.weights, path);
  const Metadata metadata = to_metadata(model);
  if (format == OutputFormat::kTorch) {
    write_torch_file(model.weights, path);
  } else {
    write_safetensors(model.weights, metadata, path);
  }
}

}  // namespace resnet
