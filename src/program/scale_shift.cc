#include "program/scale_shift.h"

#include <algorithm>
#include <cmath>

#include "program/quantized.h"

namespace resnet {

ScaleShift batch_norm(const StateDict& weights, const Node& node) {
  const std::string& path = node.path;
  const Tensor gamma = weights.at(path + ".weight").to_f32();
  const Tensor beta = weights.at(path + ".bias").to_f32();
  const Tensor mean = weights.at(path + ".running_mean").to_f32();
  const Tensor variance = weights.at(path + ".running_var").to_f32();
  const auto channels = static_cast<std::size_t>(gamma.count());
  ScaleShift result{std::vector<double>(channels), std::vector<double>(channels)};
  for (std::size_t c = 0; c < channels; ++c) {
    const double deviation = std::sqrt(static_cast<double>(variance.f32()[c]) + node.epsilon);
    result.scale[c] = gamma.f32()[c] / deviation;
    result.shift[c] = beta.f32()[c] - mean.f32()[c] * result.scale[c];
  }
  return result;
}

ScaleShift scale_shift_of_sums(const Program& program, const StateDict& weights, const Operation& operation) {
  const Node& node = program.node(operation);
  const auto channels = static_cast<std::size_t>(node.out_channels);
  ScaleShift sums{std::vector<double>(channels, 1.0), std::vector<double>(channels, 0.0)};
  if (node.bias) {
    const Tensor values = weights.at(node.path + ".bias").to_f32();
    std::copy(values.f32().begin(), values.f32().end(), sums.shift.begin());
  }
  if (operation.epilogue.norm >= 0) {
    const ScaleShift norm = batch_norm(weights, program.graph.nodes[operation.epilogue.norm]);
    for (std::size_t c = 0; c < channels; ++c) {
      sums.scale[c] = norm.scale[c];
      sums.shift[c] = sums.shift[c] * norm.scale[c] + norm.shift[c];
    }
  }
  if (is_quantized(weights, node.path)) {
    const Tensor scales = weights.at(node.path + kWeightScale).to_f32();
    for (std::size_t c = 0; c < channels; ++c) sums.scale[c] *= scales.f32()[c];
  }
  return sums;
}

}  // namespace resnet
