#include "quantize/round_weights.h"

#include <algorithm>
#include <cmath>
#include <memory>

namespace resnet {
namespace {

float rounded(float weight, float scale) { return std::clamp(std::nearbyint(weight / scale), -127.0F, 127.0F); }

double squared_error(std::span<const float> weights, float scale) {
  double sum = 0;
  for (const float weight : weights) {
    const double difference = static_cast<double>(weight) - scale * rounded(weight, scale);
    sum += difference * difference;
  }
  return sum;
}

float best_scale(std::span<const float> weights) {
  float largest = 0;
  for (const float weight : weights) largest = std::max(largest, std::abs(weight));
  if (!(largest > 1e-15F)) return 1;  // a channel of zeros
  float best = largest / 127;
  double least = squared_error(weights, best);
  for (int percent = 98; percent >= 60; percent -= 2) {
    const float scale = largest / 127 * static_cast<float>(percent) / 100;
    const double error = squared_error(weights, scale);
    if (error >= least) continue;
    least = error;
    best = scale;
  }
  return best;
}

// The share of `out` outputs at which tap `tap` of a window lies among `in` inputs.
double share_inside(int tap, const Node& node, std::int64_t in, std::int64_t out) {
  std::int64_t inside = 0;
  for (std::int64_t i = 0; i < out; ++i) {
    const std::int64_t at = i * node.stride - node.padding + std::int64_t{tap} * node.dilation;
    inside += at >= 0 && at < in ? 1 : 0;
  }
  return static_cast<double>(inside) / static_cast<double>(out);
}

}  // namespace

RoundedWeights round_weights(const Tensor& weights) {
  const Tensor values = weights.to_f32();
  const std::int64_t channels = values.shape()[0];
  const std::size_t row = values.f32().size() / static_cast<std::size_t>(channels);
  const auto numbers = std::make_shared<std::vector<std::int8_t>>();
  numbers->reserve(values.f32().size());
  RoundedWeights result;
  result.scales = Tensor::zeros(DType::kF32, {channels});
  double signal = 0;
  double noise = 0;
  for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c) {
    const std::span<const float> channel = values.f32().subspan(c * row, row);
    const float scale = best_scale(channel);
    result.scales.mutable_f32()[c] = scale;
    noise += squared_error(channel, scale);
    for (const float weight : channel) {
      signal += static_cast<double>(weight) * weight;
      numbers->push_back(static_cast<std::int8_t>(rounded(weight, scale)));
    }
  }
  result.numbers = Tensor::view(DType::kI8, values.shape(), std::as_bytes(std::span(*numbers)), numbers);
  result.sqnr_db = 10 * std::log10(signal / noise);
  return result;
}

std::vector<double> mean_shifts(const Node& node, const FeatureShape& in, const FeatureShape& out,
                                const Tensor& weights, const RoundedWeights& rounded, std::span<const double> means) {
  const Tensor before = weights.to_f32();
  const Tensor numbers = rounded.numbers.to_f32();
  const int group_in = node.in_channels / node.groups;
  const int group_out = node.out_channels / node.groups;
  std::vector<double> inside(static_cast<std::size_t>(node.kernel) * node.kernel);
  for (int y = 0; y < node.kernel; ++y) {
    for (int x = 0; x < node.kernel; ++x) {
      inside[y * node.kernel + x] =
          share_inside(y, node, in.height, out.height) * share_inside(x, node, in.width, out.width);
    }
  }
  std::vector<double> shifts(static_cast<std::size_t>(node.out_channels));
  std::size_t at = 0;
  for (int c = 0; c < node.out_channels; ++c) {
    const float scale = rounded.scales.f32()[c];
    for (int i = 0; i < group_in; ++i) {
      const double mean = means[c / group_out * group_in + i];
      for (const double share : inside) {
        shifts[c] += (static_cast<double>(scale) * numbers.f32()[at] - before.f32()[at]) * mean * share;
        ++at;
      }
    }
  }
  return shifts;
}

void correct_bias(const Graph& graph, const Step& step, std::span<const double> shifts, StateDict& weights) {
  const Node& node = graph.nodes[step.node];
  if (step.batch_norm < 0 && !node.bias) return;
  const std::string name =
      step.batch_norm >= 0 ? graph.nodes[step.batch_norm].path + ".running_mean" : node.path + ".bias";
  const Tensor old = weights.at(name).to_f32();
  std::vector<float> corrected(shifts.size());
  for (std::size_t c = 0; c < shifts.size(); ++c) {
    corrected[c] = static_cast<float>(old.f32()[c] + (step.batch_norm >= 0 ? shifts[c] : -shifts[c]));
  }
  weights.set(name, Tensor::from(corrected, old.shape()));
}

}  // namespace resnet
