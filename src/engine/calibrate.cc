#include "engine/calibrate.h"

#include <string>
#include <vector>

#include "engine/observe.h"

namespace resnet {
namespace {

// Per channel over all pixels.
void set_statistics(StateDict& weights, const NormInput& seen) {
  const FeatureShape& shape = seen.shape;
  const std::string& path = seen.node->path;
  const float* values = seen.values.data();
  const std::int64_t pixels = shape.batch * shape.height * shape.width;
  const auto channels = static_cast<std::size_t>(shape.channels);
  const std::int64_t row = seen.row;
  std::vector<double> sum(channels), squares(channels);
  for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
    for (std::size_t c = 0; c < channels; ++c) sum[c] += values[pixel * row + static_cast<std::int64_t>(c)];
  }
  std::vector<float> mean(channels), variance(channels);
  for (std::size_t c = 0; c < channels; ++c) mean[c] = static_cast<float>(sum[c] / static_cast<double>(pixels));
  for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
    for (std::size_t c = 0; c < channels; ++c) {
      const double difference = static_cast<double>(values[pixel * row + static_cast<std::int64_t>(c)]) - mean[c];
      squares[c] += difference * difference;
    }
  }
  for (std::size_t c = 0; c < channels; ++c) variance[c] = static_cast<float>(squares[c] / static_cast<double>(pixels));
  weights.set(path + ".running_mean", Tensor::from(mean, {shape.channels}));
  weights.set(path + ".running_var", Tensor::from(variance, {shape.channels}));
}

}  // namespace

StateDict calibrate_batch_norms(const Graph& graph, const StateDict& weights, std::span<const float> input,
                                const FeatureShape& shape, int threads) {
  StateDict calibrated = weights;
  observe_norms(graph, calibrated, input, shape, threads,
                [&](const NormInput& seen) { set_statistics(calibrated, seen); });
  return calibrated;
}

}  // namespace resnet
