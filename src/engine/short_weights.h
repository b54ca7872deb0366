// Weights that processors without dot products of bytes multiply faster. What they are is a matter of those processors;
// plans say of a layer whether its weights are so.
#pragma once

#include <array>
#include <vector>

#include "kernels/kernels.h"
#include "program/program.h"
#include "resnet/tensor.h"

namespace resnet {

// Weights are short where no sum of four products of theirs with u8 values leaves 16 bits, so that processors without
// dot products of bytes may sum in 16 bits. The four are an output channel's weights at a tap of the window for the
// input channels 8v, 8v + 1, 8v + 4 and 8v + 5, or for the other four of these eight. The positive ones of the four sum
// to kShortSum at most, the negative ones to no less than -kShortSum. Nothing but speed depends on it, and not that
// of layers with fewer than kShortChannels input channels, which are computed row by row of the window.
inline constexpr int kShortSum = 128;  // 255 * 128 < 2^15
inline constexpr int kShortChannels = 8;

// Indices into the weights of one output channel as they are stored, -1 where a four has fewer.
using Four = std::array<int, 4>;
std::vector<Four> fours_of_channel(const Node& node, int out_channel);

// True where all weights of a layer are int8 and short, and it pays.
bool has_short_weights(const Node& node, const StateDict& weights);

// Of each node, whether its weights are so; none is where `kernels` do not use it.
std::vector<bool> find_short_weights(const Program& program, const StateDict& weights, const Kernels& kernels);

}  // namespace resnet
