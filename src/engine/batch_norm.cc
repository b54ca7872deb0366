#include "engine/batch_norm.h"

#include <cmath>

#include "resnet/graph.h"

namespace resnet {

ScaleShift batch_norm(const StateDict& weights, const std::string& path) {
  const Tensor gamma = weights.at(path + ".weight").to_f32();
  const Tensor beta = weights.at(path + ".bias").to_f32();
  const Tensor mean = weights.at(path + ".running_mean").to_f32();
  const Tensor variance = weights.at(path + ".running_var").to_f32();
  const auto channels = static_cast<std::size_t>(gamma.count());
  ScaleShift result{std::vector<double>(channels), std::vector<double>(channels)};
  for (std::size_t c = 0; c < channels; ++c) {
    const double deviation = std::sqrt(static_cast<double>(variance.f32()[c]) + kBatchNormEpsilon);
    result.scale[c] = gamma.f32()[c] / deviation;
    result.shift[c] = beta.f32()[c] - mean.f32()[c] * result.scale[c];
  }
  return result;
}

}  // namespace resnet
