#include "weights/initialize.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"

namespace resnet {
namespace {

// Values are zero before.
void fill(const Parameter& parameter, const Node& node, Random& random, std::span<float> values) {
  const bool weight = parameter.name.ends_with(".weight");
  switch (node.op) {
    case Op::kConv: {
      if (!weight) return;
      const double deviation = std::sqrt(2.0 / (node.kernel * node.kernel * static_cast<double>(node.out_channels)));
      for (float& value : values) value = static_cast<float>(deviation * random.normal());
      return;
    }
    case Op::kLinear: {
      const double bound = 1 / std::sqrt(static_cast<double>(node.in_channels));
      for (float& value : values) value = static_cast<float>(bound * (2 * random.uniform() - 1));
      return;
    }
    case Op::kBatchNorm:
      if (weight || parameter.name.ends_with(".running_var")) std::fill(values.begin(), values.end(), 1.0F);
      return;
    case Op::kInput:
    case Op::kActivation:
    case Op::kMaxPool:
    case Op::kAveragePool:
    case Op::kBlur:
    case Op::kPadShortcut:
    case Op::kAdd:
    case Op::kGlobalAveragePool:
    case Op::kGlobalMaxPool:
    case Op::kConcat:
    case Op::kFlatten: return;  // without parameters
  }
}

}  // namespace

StateDict initial_weights(const Graph& graph, std::uint64_t seed) {
  Random random(seed);
  StateDict weights;
  for (const Parameter& parameter : parameters(graph)) {
    Tensor tensor = Tensor::zeros(parameter.dtype, parameter.shape);
    if (parameter.dtype == DType::kF32) {
      fill(parameter, graph.nodes[parameter.node], random, tensor.mutable_f32());
    }
    weights.add(parameter.name, std::move(tensor));
  }
  return weights;
}

}  // namespace resnet
