// From a file to a model and back.
#include "resnet/model_file.h"

#include <algorithm>
#include <numeric>
#include <unordered_set>

#include "base/error.h"
#include "formats/safetensors.h"
#include "formats/torch_file.h"
#include "program/check_weights.h"
#include "program/quantized.h"
#include "resnet/graph.h"
#include "weights/checkpoint.h"
#include "weights/find_network.h"
#include "weights/infer.h"
#include "weights/metadata.h"
#include "weights/nonfinite.h"
#include "weights/output_format.h"
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

// What torch.optim.swa_utils.AveragedModel (torchvision's model_ema) keeps beside the weights.
constexpr std::string_view kAveragedCount = "n_averaged";

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
    if (!known.contains(name) && name != kAveragedCount) mismatches.unexpected(name);
  }
  mismatches.report(path, graph.architecture);
  return weights;
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
  return load_model(read_tensor_file(path), path, options);
}

Model load_model(TensorFile file, const std::string& path, const LoadOptions& options) {
  if (is_checkpoint(file)) take_network(file);
  find_network(file, path);
  describes_model(file.metadata, path);
  const bool tutorial = std::any_of(file.tensors.begin(), file.tensors.end(),
                                    [](const auto& entry) { return is_tutorial_name(entry.first); });
  try {
    file.tensors.rename(torchvision_name);
  } catch (const Error& error) {
    fail(error.code(), path, "{}", error.what());
  }
  Model model;
  model.architecture = choose_architecture(file, tutorial ? Layout::kTutorial : Layout::kTorchvision, options, path);
  check_block_count(model.architecture, file.tensors, path);
  model.weights = take_weights(expand(model.architecture), file.tensors, path);
  if (!options.allow_nonfinite) check_finite(model.weights, path);
  model.classes = read_classes(file.metadata, model.architecture.classes, path);
  model.preprocessing = read_preprocessing(file.metadata, model.architecture.in_channels, path);
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
