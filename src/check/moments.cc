#include "check/moments.h"

#include <algorithm>

namespace resnet {
namespace {

constexpr double kLeastVariance = 1e-12;  // a channel that is the same everywhere has no distance but a large one

std::vector<double> as_doubles(const Tensor& tensor) {
  const Tensor values = tensor.to_f32();
  const std::span<const float> floats = values.f32();
  return {floats.begin(), floats.end()};
}

}  // namespace

void Moments::add(const float* values, std::int64_t row, std::int64_t count, std::size_t channels) {
  sum.resize(channels);
  squares.resize(channels);
  for (std::int64_t pixel = 0; pixel < count; ++pixel, values += row) {
    for (std::size_t c = 0; c < channels; ++c) {
      const double value = values[c];
      sum[c] += value;
      squares[c] += value * value;
    }
  }
  pixels += static_cast<double>(count);
}

Moments& Moments::operator+=(const Moments& other) {
  sum.resize(other.sum.size());
  squares.resize(other.squares.size());
  for (std::size_t c = 0; c < sum.size(); ++c) {
    sum[c] += other.sum[c];
    squares[c] += other.squares[c];
  }
  pixels += other.pixels;
  return *this;
}

bool Remembered::never_updated() const {
  const auto all_are = [](const std::vector<double>& values, double wanted) {
    return std::all_of(values.begin(), values.end(), [&](double value) { return value == wanted; });
  };
  return all_are(mean, 0) && all_are(variance, 1);
}

Remembered remembered(const StateDict& weights, const std::string& path) {
  return {as_doubles(weights.at(path + ".running_mean")), as_doubles(weights.at(path + ".running_var"))};
}

double distance(const Moments& seen, const Remembered& remembered) {
  std::vector<double> channels;
  for (std::size_t c = 0; c < seen.sum.size(); ++c) {
    const double w = remembered.variance[c];
    if (w <= kLeastVariance) continue;
    const double m = seen.sum[c] / seen.pixels;
    const double v = std::max(seen.squares[c] / seen.pixels - m * m, kLeastVariance);
    const double apart = m - remembered.mean[c];
    channels.push_back((v / w + w / v) / 4 - 0.5 + apart * apart * (1 / v + 1 / w) / 4);
  }
  if (channels.empty()) return 0;
  const auto middle = channels.begin() + static_cast<std::ptrdiff_t>(channels.size() / 2);
  std::nth_element(channels.begin(), middle, channels.end());
  if (channels.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(channels.begin(), middle)) / 2;
}

}  // namespace resnet
