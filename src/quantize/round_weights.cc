#include "quantize/round_weights.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <tuple>
#include <utility>

#include "engine/weight_rules.h"

namespace resnet {
namespace {

// One output channel's weights quantized, for one scale after another. Everything is in the order of the limits' sets.
class Channel {
 public:
  Channel(std::span<const float> weights, const WeightLimits& limits)
      : limits_(limits), weights_(limits.sets.size() * kSet), exact_(weights_.size()), quantized_(weights_.size()) {
    for_each([&](std::size_t i, int stored) { weights_[i] = weights[stored]; });
  }

  // Rounds, and returns the squared error.
  double round(float scale) {
    constexpr float kWhole = 3 << 22;  // added to a smaller number, rounds it to nearest, ties to even
    const float inverse = 1 / scale;
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      exact_[i] = weights_[i] * inverse;
      quantized_[i] = std::min(std::max(exact_[i], -127.0F), 127.0F) + kWhole - kWhole;
    }
    for (std::size_t set = 0; set < weights_.size(); set += kSet) {
      shorten(set, 1);
      shorten(set, -1);
    }
    double sum = 0;
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      const double difference = static_cast<double>(weights_[i]) - static_cast<double>(scale) * quantized_[i];
      sum += difference * difference;
    }
    return sum;
  }

  // In the order in which weights are stored.
  void put(std::int8_t* quantized) const {
    for_each([&](std::size_t i, int stored) { quantized[stored] = static_cast<std::int8_t>(quantized_[i]); });
  }

 private:
  static constexpr std::size_t kSet = std::tuple_size_v<WeightLimits::Set>;

  // Calls work(place here, index as stored) for each weight.
  template <class Work>
  void for_each(Work work) const {
    for (std::size_t i = 0; i < weights_.size(); ++i) {
      if (const int stored = limits_.sets[i / kSet][i % kSet]; stored >= 0) work(i, stored);
    }
  }

  // Until the quantized weights of this sign sum to the limit at most, brings that one nearer to zero which is farthest
  // beyond its weight: the step that costs least.
  void shorten(std::size_t set, float sign) {
    const auto most = static_cast<float>(limits_.most);
    float sum = 0;
    for (std::size_t i = set; i < set + kSet; ++i) sum += std::max(0.0F, sign * quantized_[i]);
    for (; sum > most; --sum) {
      std::size_t best = set + kSet;
      for (std::size_t i = set; i < set + kSet; ++i) {
        if (sign * quantized_[i] <= 0) continue;
        if (best == set + kSet || sign * (quantized_[i] - exact_[i]) > sign * (quantized_[best] - exact_[best]))
          best = i;
      }
      quantized_[best] -= sign;
    }
  }

  const WeightLimits& limits_;
  std::vector<float> weights_, exact_, quantized_;
};

// The scale of the least squared error, which `channel` is then rounded with; and that error.
std::pair<float, double> choose_scale(std::span<const float> weights, Channel& channel) {
  float largest = 0;
  for (const float weight : weights) largest = std::max(largest, std::abs(weight));
  if (!(largest > 1e-15F)) return {1.0F, channel.round(1)};  // a channel of zeros
  const auto scale_of = [&](int percent) { return largest / 127 * static_cast<float>(percent) / 100; };
  int best = 100;
  double least = channel.round(scale_of(best));
  const auto try_scales = [&](int from, int to, int step) {
    for (int percent = from; percent <= to; percent += step) {
      const double error = channel.round(scale_of(percent));
      if (error >= least) continue;
      least = error;
      best = percent;
    }
  };
  try_scales(60, 400, 10);  // four equal weights become 32, not 127
  try_scales(best - 8, best + 8, 2);
  return {scale_of(best), channel.round(scale_of(best))};
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

RoundedWeights round_weights(const Node& node, const Tensor& weights) {
  const Tensor values = weights.to_f32();
  const std::size_t row = values.f32().size() / static_cast<std::size_t>(node.out_channels);
  const auto quantized = std::make_shared<std::vector<std::int8_t>>(values.f32().size());
  RoundedWeights result;
  result.scales = Tensor::zeros(DType::kF32, {node.out_channels});
  WeightLimits limits;
  double signal = 0;
  double noise = 0;
  for (int c = 0; c < node.out_channels; ++c) {
    const std::span<const float> own = values.f32().subspan(c * row, row);
    if (c == 0 || node.groups > 1) limits = weight_limits(kStrictestRule, weight_shape(node), c);
    Channel channel(own, limits);
    const auto [scale, error] = choose_scale(own, channel);
    result.scales.mutable_f32()[c] = scale;
    noise += error;
    for (const float weight : own) signal += static_cast<double>(weight) * weight;
    channel.put(quantized->data() + c * row);
  }
  result.quantized = Tensor::view(DType::kI8, values.shape(), std::as_bytes(std::span(*quantized)), quantized);
  result.sqnr_db = 10 * std::log10(signal / noise);
  return result;
}

std::vector<double> mean_shifts(const Node& node, const FeatureShape& in, const FeatureShape& out,
                                const Tensor& weights, const RoundedWeights& rounded, std::span<const double> means) {
  const Tensor before = weights.to_f32();
  const Tensor quantized = rounded.quantized.to_f32();
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
        shifts[c] += (static_cast<double>(scale) * quantized.f32()[at] - before.f32()[at]) * mean * share;
        ++at;
      }
    }
  }
  return shifts;
}

void correct_bias(const Graph& graph, const Operation& operation, std::span<const double> shifts, StateDict& weights) {
  const Node& node = graph.nodes[operation.node];
  if (operation.epilogue.norm < 0 && !node.bias) return;
  const std::string name =
      operation.epilogue.norm >= 0 ? graph.nodes[operation.epilogue.norm].path + ".running_mean" : node.path + ".bias";
  const Tensor old = weights.at(name).to_f32();
  std::vector<float> corrected(shifts.size());
  for (std::size_t c = 0; c < shifts.size(); ++c) {
    corrected[c] = static_cast<float>(old.f32()[c] + (operation.epilogue.norm >= 0 ? shifts[c] : -shifts[c]));
  }
  weights.set(name, Tensor::from(corrected, old.shape()));
}

}  // namespace resnet
