// How a convolution is cut into matrix products: worked out from its shape alone, so that packing and running agree.
//
// Output channels ("columns", with their padding) fall into slices that see the same input channels: all of them in an
// ordinary convolution; a group, or 16 columns of several small groups, in a grouped one (weights between different
// groups are then zeros). A product's inner dimension is `steps` steps of `count` words of 32 bits, which hold one, two
// or four values: as many input channels of the slice at a tap of the window as fill a cache line, or a block of 16
// where they do not come out even.
#pragma once

#include "kernels/kernels.h"

namespace resnet {
namespace {

constexpr int kLineBytes = 64;                  // of a cache line
constexpr std::int64_t kTaskWork = 25'000'000;  // multiply-adds worth a task of its own

constexpr int ceil_divide(std::int64_t a, std::int64_t b) { return static_cast<int>((a + b - 1) / b); }
constexpr int smaller(int a, int b) { return a < b ? a : b; }
constexpr int larger(int a, int b) { return a > b ? a : b; }

// The part [begin, end) of `count` things that belongs to number `index` of `parts`.
struct Part {
  std::int64_t begin, end;
  Part(std::int64_t count, std::int64_t index, std::int64_t parts)
      : begin(count * index / parts), end(count * (index + 1) / parts) {}
  static Part between(std::int64_t begin, std::int64_t end) {
    Part all(end - begin, 0, 1);
    all.begin += begin;
    all.end += begin;
    return all;
  }
  std::int64_t size() const { return end - begin; }
  Part part(std::int64_t index, std::int64_t parts) const {
    Part inner(size(), index, parts);
    inner.begin += begin;
    inner.end += begin;
    return inner;
  }
};

// Consecutive parts of a Part whose sizes differ by one at most. Division is slow beside a tile's product, so it is
// done once for all of them.
struct EqualParts {
  std::int64_t begin;
  int count, size, larger;  // the first `larger` parts have one more than `size`
  EqualParts(Part whole, int parts)
      : begin(whole.begin),
        count(parts),
        size(static_cast<int>(whole.size() / parts)),
        larger(static_cast<int>(whole.size() % parts)) {}
  std::int64_t first(int index) const { return begin + std::int64_t{size} * index + smaller(index, larger); }
  int size_of(int index) const { return size + (index < larger ? 1 : 0); }
};

struct Geometry {
  std::int64_t pixels;  // of the output, over the batch
  int in_blocks;        // of 16 input channels
  int columns;          // output channels with padding
  int slice_columns;    // divides `columns`
  int slice_blocks;     // blocks of input channels that a slice sees
  int step_blocks;      // of them, in a step: 1 or as many as fill a line, a divisor of slice_blocks
  int steps;
  int count;

  int tap_steps() const { return slice_blocks / step_blocks; }
  std::int64_t depth() const { return static_cast<std::int64_t>(steps) * count; }
};

// Blocks of input channels [first, last] that the groups of these columns see.
struct BlockRange {
  int first, last;
  BlockRange(const ConvShape& s, int column, int columns) {
    const int group_in = s.in_channels / s.groups;
    const int group_out = s.out_channels / s.groups;
    const int last_column = smaller(column + columns, s.out_channels) - 1;
    first = column / group_out * group_in / kChannelBlock;
    last = ((last_column / group_out + 1) * group_in - 1) / kChannelBlock;
  }
};

// `pack` values fit a word.
inline Geometry geometry(const ConvShape& s, int pack) {
  Geometry g;
  g.pixels = static_cast<std::int64_t>(s.batch) * s.out_height * s.out_width;
  g.in_blocks = ceil_divide(s.in_channels, kChannelBlock);
  g.columns = ceil_divide(s.out_channels, kChannelBlock) * kChannelBlock;
  g.slice_columns = g.columns;
  g.slice_blocks = g.in_blocks;
  if (s.groups > 1) {
    const int group_in = s.in_channels / s.groups;
    const int group_out = s.out_channels / s.groups;
    const bool aligned = group_in % kChannelBlock == 0 && group_out % kChannelBlock == 0;
    g.slice_columns = aligned ? group_out : kChannelBlock;
    g.slice_blocks = 1;
    for (int column = 0; column < g.columns; column += g.slice_columns) {
      const BlockRange range(s, column, g.slice_columns);
      g.slice_blocks = larger(g.slice_blocks, range.last + 1 - range.first);
    }
  }
  g.step_blocks = g.slice_blocks % pack == 0 ? pack : 1;
  g.steps = s.kernel * s.kernel * g.tap_steps();
  g.count = g.step_blocks * kChannelBlock / pack;
  return g;
}

// The first of the `slice_blocks` blocks of input channels that the slice from this column on sees.
inline int first_block(const ConvShape& s, const Geometry& g, int column) {
  if (s.groups == 1) return 0;
  return smaller(BlockRange(s, column, g.slice_columns).first, g.in_blocks - g.slice_blocks);
}

// How direct convolutions are cut into tasks: `column_parts` of them lie side by side over the columns, in units of
// `unit`, the others over rows of `row_pixels` pixels. The cost of an arrangement: the product with its imbalance,
// copying inputs into panels for each part of the columns (where they share them), and fetching all weights for each
// part of the rows; in products of a word, per step and lane.
struct Split {
  int column_parts = 1;
  double work = 0;  // the product with its imbalance, of all tasks

  Split(std::int64_t rows, int row_pixels, int columns, int unit, bool shared_inputs, int tasks) {
    const int units = ceil_divide(columns, unit);
    double best_cost = 0;
    for (int parts = 1; parts <= smaller(tasks, units); ++parts) {
      if (tasks % parts != 0) continue;
      const int row_parts = tasks / parts;
      const double product =
          static_cast<double>(ceil_divide(rows, row_parts)) * row_pixels * ceil_divide(units, parts) * unit * tasks;
      const double copies = shared_inputs ? 2.0 * static_cast<double>(rows) * row_pixels * parts : 0;
      const double cost = product + copies + 4.0 * columns * row_parts;
      if (best_cost != 0 && cost >= best_cost) continue;
      best_cost = cost;
      column_parts = parts;
      work = product;
    }
  }
};

// Into how many tasks to cut a direct convolution for this many threads.
inline int direct_tasks(const Geometry& g, int threads) {
  const std::int64_t work = g.pixels * g.depth() * g.columns / threads;  // products of words
  const auto each = work / kTaskWork;
  return threads * static_cast<int>(each < 1 ? 1 : each > 4 ? 4 : each);
}

// The time of so many products of words that cost `dot_cost` each, of copying so many words into panels, and of
// beginning and ending tiles of so many sums, in multiply-adds of a lane.
inline double direct_cost(double products, double dot_cost, double copied_words, double sums, int threads) {
  constexpr double kEfficiency = 0.95;  // from the layers of a Zen 5 (docs/engine.md), as are the others
  constexpr double kCopy = 8;
  constexpr double kSum = 4.5;
  return (products * dot_cost + kCopy * copied_words + kSum * sums) / threads / kEfficiency;
}

}  // namespace
}  // namespace resnet
