// What an algorithm may ask of int8 weights beyond that they are whole numbers from -128 to 127: said by the algorithm
// (ConvAlgorithm::weights), kept by whoever rounds weights, found out by whoever plans.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace resnet {

enum class WeightRule : std::uint8_t {
  kNone,

  // Short weights: no sum of four products of theirs with u8 values leaves 16 bits, so that processors without dot
  // products of bytes may sum in 16 bits. The four are an output channel's weights at a tap of the window for the input
  // channels 8v, 8v + 1, 8v + 4 and 8v + 5, or for the other four of these eight. The positive ones of the four sum to
  // 128 at most, the negative ones to no less than -128 (255 * 128 < 2^15).
  kShort,
};

// Weights that keep it are the fastest on every processor.
inline constexpr WeightRule kStrictestRule = WeightRule::kShort;

// The weights of a convolution: out x in / groups x kernel x kernel.
struct WeightShape {
  int out_channels = 1, in_channels = 1, kernel = 1, groups = 1;
};

// Sets of weights of one output channel: the positive ones of a set may sum to `most` at most, the negative ones to no
// less than -most.
struct WeightLimits {
  using Set = std::array<int, 4>;  // indices into the channel's weights as they are stored; -1 where there are fewer
  std::vector<Set> sets;           // every weight is in one
  int most = 0;
};

// What a rule asks of the weights of an output channel; the same for all channels of a group. Where keeping the rule
// would bring nothing, weights of -127 to 127 cannot reach the limit: layers with fewer than 8 input channels are
// computed row by row of the window.
WeightLimits weight_limits(WeightRule rule, const WeightShape& shape, int out_channel);

// Whether all weights keep the rule, and that brings something. Always true of kNone.
bool keeps(WeightRule rule, const WeightShape& shape, std::span<const std::int8_t> weights);

}  // namespace resnet
