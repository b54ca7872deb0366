#include "arch/quantized.h"

#include <algorithm>
#include <limits>
#include <set>

namespace resnet {
namespace {

constexpr std::int64_t kMaxProducts = std::numeric_limits<std::int32_t>::max() / (255 * 128);

bool has_weights(const Node& node) { return node.op == Op::kConv || node.op == Op::kLinear; }

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

std::string value_name(const Node& node) { return node.op == Op::kInput ? "input" : node.path; }

bool is_quantized(const StateDict& weights, const std::string& path) {
  const Tensor* tensor = weights.find(path + ".weight");
  return tensor != nullptr && tensor->dtype() == DType::kI8;
}

bool is_quantized(const Graph& graph, const StateDict& weights) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [&](const Node& node) { return has_weights(node) && is_quantized(weights, node.path); });
}

std::optional<OutputScale> output_scale(const StateDict& weights, const std::string& value) {
  const Tensor* scale = weights.find(value + kOutputScale);
  const Tensor* zero_point = weights.find(value + kOutputZeroPoint);
  if (scale == nullptr || zero_point == nullptr) return std::nullopt;
  return OutputScale{scale->to_f32().f32()[0], static_cast<std::uint8_t>(zero_point->bytes()[0])};
}

std::vector<QuantizationTensor> quantization_tensors(const Graph& graph) {
  std::vector<QuantizationTensor> tensors;
  for (const Node& node : graph.nodes) {
    const std::string name = value_name(node);
    if (has_weights(node)) tensors.push_back({name + kWeightScale, &node});
    if (node.op == Op::kConv || node.op == Op::kInput || node.op == Op::kGlobalAveragePool) {
      tensors.push_back({name + kOutputScale, &node});
      tensors.push_back({name + kOutputZeroPoint, &node});
    }
  }
  return tensors;
}

std::string quantization_problem(const QuantizationTensor& described, const StateDict& weights) {
  const Tensor& tensor = weights.at(described.name);
  const std::string layer = value_name(*described.node);
  if (described.name.ends_with(kWeightScale)) {
    const Node& node = *described.node;
    if (std::int64_t{node.in_channels} / node.groups * node.kernel * node.kernel > kMaxProducts) {
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

std::vector<Four> fours_of_channel(const Node& node, int out_channel) {
  const int taps = node.kernel * node.kernel;
  const int group_in = node.in_channels / node.groups;
  const int first = out_channel / (node.out_channels / node.groups) * group_in;
  const int pitch = (node.in_channels + 7) / 8 * 8;  // of a tap
  std::vector<Four> fours(static_cast<std::size_t>(pitch) * static_cast<std::size_t>(taps) / 4 + 2, {-1, -1, -1, -1});
  for (int i = 0; i < group_in * taps; ++i) {
    const int at = i % taps * pitch + first + i / taps;
    fours[at / 8 * 2 + at / 2 % 2][at / 4 % 2 * 2 + at % 2] = i;
  }
  std::erase(fours, Four{-1, -1, -1, -1});
  return fours;
}

bool has_short_weights(const Node& node, const StateDict& weights) {
  if (!is_quantized(weights, node.path) || node.in_channels < kShortChannels) return false;
  const Tensor& tensor = weights.at(node.path + ".weight");
  const auto* weight = reinterpret_cast<const std::int8_t*>(tensor.bytes().data());
  std::vector<int> four_of(static_cast<std::size_t>(tensor.count() / node.out_channels));
  std::vector<int> positive, negative;  // sums of the fours
  for (int out = 0; out < node.out_channels; ++out) {
    if (out == 0 || node.groups > 1) {
      const std::vector<Four> fours = fours_of_channel(node, out);
      for (std::size_t four = 0; four < fours.size(); ++four) {
        for (const int i : fours[four]) {
          if (i >= 0) four_of[i] = static_cast<int>(four);
        }
      }
      positive.resize(fours.size());
      negative.resize(fours.size());
    }
    std::fill(positive.begin(), positive.end(), 0);
    std::fill(negative.begin(), negative.end(), 0);
    for (const int four : four_of) {  // in the order of memory
      positive[four] += std::max<int>(*weight, 0);
      negative[four] += std::min<int>(*weight, 0);
      ++weight;
    }
    if (*std::max_element(positive.begin(), positive.end()) > kShortSum) return false;
    if (*std::min_element(negative.begin(), negative.end()) < -kShortSum) return false;
  }
  return true;
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
    const bool numbers = tensor.dtype() == DType::kI8 && name.ends_with(".weight");
    result.add(name, numbers ? float_weights(weights, name.substr(0, name.size() - 7)) : tensor);
  }
  return result;
}

}  // namespace resnet
