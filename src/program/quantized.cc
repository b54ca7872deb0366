#include "program/quantized.h"

#include <algorithm>
#include <limits>
#include <set>

#include "arch/describe.h"
#include "arch/operations.h"
#include "program/formats.h"

namespace resnet {
namespace {

constexpr std::int64_t kMaxProducts = std::numeric_limits<std::int32_t>::max() / (255 * 128);

bool is_sound_scale(float scale) { return scale >= 1e-20F && scale <= 1e20F; }

std::string type_problem(const Tensor& tensor, DType type, const Shape& shape) {
  if (tensor.dtype() != type) {
    return "expected " + std::string(name(type)) + ", got " + std::string(name(tensor.dtype()));
  }
  if (tensor.shape() != shape) return "expected " + to_string(shape) + ", got " + to_string(tensor.shape());
  if (type != DType::kF32) return "";
  const Tensor values = tensor.to_f32();
  const auto unsound = values.count() - std::count_if(values.f32().begin(), values.f32().end(), is_sound_scale);
  if (unsound == 0) return "";
  return std::to_string(unsound) + " of " + std::to_string(values.count()) + " scales not between 1e-20 and 1e20";
}

}  // namespace

bool is_quantized(const StateDict& weights, const std::string& path) {
  const Tensor* tensor = weights.find(path + ".weight");
  return tensor != nullptr && tensor->dtype() == DType::kI8;
}

bool is_quantized(const Graph& graph, const StateDict& weights) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [&](const Node& node) { return info(node.op).is_layer && is_quantized(weights, node.path); });
}

std::optional<OutputScale> output_scale(const StateDict& weights, const std::string& value) {
  const Tensor* scale = weights.find(value + kOutputScale);
  const Tensor* zero_point = weights.find(value + kOutputZeroPoint);
  if (scale == nullptr || zero_point == nullptr) return std::nullopt;
  return OutputScale{scale->to_f32().f32()[0], static_cast<std::uint8_t>(zero_point->bytes()[0])};
}

bool has_output_scale(const Program& program, const Operation& operation) {
  const bool logits = &operation == &program.operations.back();
  return !logits && !operation.converts && storage(program.node(operation).op) != Storage::kPassedOn;
}

std::vector<QuantizationTensor> quantization_tensors(const Graph& graph) {
  std::vector<QuantizationTensor> tensors;
  const Program program = lower(graph, Lowering::kInference);
  for (const Operation& operation : program.operations) {
    const Node& node = graph.nodes[operation.node];
    const std::string name = label(node);
    if (info(node.op).is_layer) tensors.push_back({name + kWeightScale, &node});
    if (has_output_scale(program, operation)) {
      tensors.push_back({name + kOutputScale, &node});
      tensors.push_back({name + kOutputZeroPoint, &node});
    }
  }
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const QuantizationTensor& a, const QuantizationTensor& b) { return a.node < b.node; });
  return tensors;
}

std::string quantization_problem(const QuantizationTensor& described, const StateDict& weights) {
  const Tensor& tensor = weights.at(described.name);
  const std::string layer = label(*described.node);
  if (described.name.ends_with(kWeightScale)) {
    const Node& node = *described.node;
    if (info(node.op).macs_per_value(node) > kMaxProducts) {
      return "a sum of more than " + std::to_string(kMaxProducts) + " products does not fit 32 bits";
    }
    const std::string problem = type_problem(tensor, DType::kF32, {node.out_channels});
    return problem.empty() && !is_quantized(weights, layer) ? layer + ".weight is not I8" : problem;
  }
  const bool scale = described.name.ends_with(kOutputScale);
  const std::string problem = type_problem(tensor, scale ? DType::kF32 : DType::kU8, {});
  const std::string companion = layer + (scale ? kOutputZeroPoint : kOutputScale);
  return problem.empty() && !weights.contains(companion) ? companion + " is missing" : problem;
}

Tensor float_weights(const StateDict& weights, const std::string& path) {
  Tensor values = weights.at(path + ".weight").to_f32();
  if (!is_quantized(weights, path)) return values;
  const Tensor scales = weights.at(path + kWeightScale).to_f32();
  const std::size_t row = values.f32().size() / scales.f32().size();
  for (std::size_t i = 0; i < values.f32().size(); ++i) values.mutable_f32()[i] *= scales.f32()[i / row];
  return values;
}

StateDict dequantized(const Graph& graph, const StateDict& weights) {
  std::set<std::string> dropped;
  for (const QuantizationTensor& tensor : quantization_tensors(graph)) dropped.insert(tensor.name);
  StateDict result;
  for (const auto& [name, tensor] : weights) {
    if (dropped.contains(name)) continue;
    const bool quantized = tensor.dtype() == DType::kI8 && name.ends_with(".weight");
    result.add(name, quantized ? float_weights(weights, name.substr(0, name.size() - 7)) : tensor);
  }
  return result;
}

}  // namespace resnet
