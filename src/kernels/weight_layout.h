// Where the sums of a weight's gradient lie while they are added up (training.h): for each block of 16 output channels
// and each tap of the window a row of 16 values per input channel that the block's slice sees (conv_geometry.h).
#pragma once

#include "kernels/conv_geometry.h"

namespace resnet {
namespace {

struct WeightSums {
  Geometry g;
  int taps;
  int rows;    // input channels of a slice, padded but where the input is dense
  int blocks;  // of output channels
  std::int64_t block_values;

  explicit WeightSums(const ConvShape& s)
      : g(geometry(s, 1)),
        taps(s.kernel * s.kernel),
        rows(s.dense_input && s.groups == 1 ? s.in_channels : g.slice_blocks * kChannelBlock),
        blocks(g.columns / kChannelBlock),
        block_values(std::int64_t{taps} * rows * kChannelBlock) {}

  // The input channel that the first row of this block is for.
  int first_channel(const ConvShape& s, int block) const {
    const int column = block * kChannelBlock;
    return first_block(s, g, column / g.slice_columns * g.slice_columns) * kChannelBlock;
  }
};

}  // namespace
}  // namespace resnet
