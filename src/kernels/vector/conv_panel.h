// Panels: the inputs of a tile of output pixels, and the weights, in the order in which the product reads them.
#pragma once

#include "base/machine.h"
#include "kernels/conv_geometry.h"

namespace resnet {
namespace {

template <class T>
void fill(T* to, int count, T value) {
  for (int i = 0; i < count; ++i) to[i] = value;
}

// How many columns' products to take tile by tile: where a tile's columns are less than a cache line of the output,
// those of two tiles, if their weights stay in the first-level cache.
template <class P>
int strip_columns(const Geometry& g) {
  constexpr int kColumns = P::Vector::kLanes * P::Vector::kTileVectors;
  constexpr int kWeightBytes = 24 * 1024;
  const bool line = kColumns * sizeof(typename P::Value) >= kLineBytes;
  return line || g.slice_columns < g.columns || 2 * kColumns * g.depth() * 4 > kWeightBytes ? kColumns : 2 * kColumns;
}

// Bytes of panels to keep at the same time: what was fastest on processors with 512 KiB or more of second-level cache,
// less where there is less. Sums do not depend on it.
template <class V>
std::int64_t panel_bytes() {
  const std::int64_t cached = machine().second_level_cache / 5 * 4;
  return cached < 2 * V::kCacheBytes ? cached : 2 * V::kCacheBytes;
}

// Of an output channel.
inline std::int64_t weights_of_channel(const ConvShape& s) {
  return std::int64_t{s.in_channels} / s.groups * s.kernel * s.kernel;
}

// The weights of a step that one column has: calls put(k, weight) for its values k, as far as there are some. `own` are
// the column's, `block` is the first block of channels that its slice sees.
template <class Put>
[[gnu::always_inline]] inline void for_each_weight(const ConvShape& s, const Geometry& g, int column, int block,
                                                   int step, const float* own, Put put) {
  const int window = s.kernel * s.kernel;
  const int group_in = s.in_channels / s.groups;
  const int first = block + step % g.tap_steps() * g.step_blocks;
  const int channel = first * kChannelBlock - column / (s.out_channels / s.groups) * group_in;
  const int tap = step / g.tap_steps();
  const int last = smaller(g.step_blocks * kChannelBlock, group_in - channel);
  for (int k = larger(0, -channel); k < last; ++k) put(k, own[(channel + k) * window + tap]);
}

// Weights, out x in / groups x kernel x kernel, become [columns / tile][steps][count][columns of the tile][kPack]; a
// slice's last tile may be one of 16 columns. Zeros stand where a column's group does not see a channel. This packs the
// tile of `width` columns from `first` on, whose own `weights` are.
template <class P>
void pack_tile(const ConvShape& s, const Geometry& g, int first, int width, const float* weights,
               typename P::Element* out) {
  const int block = first_block(s, g, first);
  const std::int64_t step_values = std::int64_t{g.count} * width * P::kPack;
  for (int step = 0; step < g.steps; ++step, out += step_values) {
    fill(out, static_cast<int>(step_values), typename P::Element{});
    for (int column = first; column < smaller(first + width, s.out_channels); ++column) {
      auto* to = out + (column - first) * P::kPack;
      for_each_weight(
          s, g, column, block, step, weights + (column - first) * weights_of_channel(s),
          [&](int k, float weight) { to[k / P::kPack * width * P::kPack + k % P::kPack] = P::weight(weight); });
    }
  }
}

// How many values of the input, from its beginning, the first `pixels` pixels of the output need, nearly: those up to
// the lower right corner of the last one's window.
std::int64_t inputs_of_first(const ConvShape& s, std::int64_t pixels) {
  const std::int64_t last = pixels - 1;
  const std::int64_t row = last / s.out_width;  // of all pictures
  const int corner = (s.kernel - 1) * s.dilation - s.padding;
  const int y = smaller(static_cast<int>(row % s.out_height) * s.stride + corner, s.in_height - 1);
  const int x = smaller(static_cast<int>(last % s.out_width) * s.stride + corner, s.in_width - 1);
  return ((row / s.out_height * s.in_height + y) * s.in_width + x + 1) * input_pitch(s);
}

// Where the windows of a tile's pixels begin. Tiles are taken from pixel number `first` of the output on, row by row
// and picture by picture.
template <class P>
struct Windows {
  using Value = typename P::Value;
  // Pixels of one row, from number `first` of the tile on.
  struct Run {
    const Value* picture;  // the input of the pixels' picture
    int top, left;         // of the first one's window; the others follow by the stride
    int first, count;
  };
  Run runs[P::Vector::kTilePixels];
  int count = 0;             // of runs
  typename P::Element zero;  // what stands for zero

  Windows(const ConvCall& call, std::int64_t first)
      : zero(P::zero(call.zero_point)),
        shape_(call.shape),
        picture_values_(static_cast<std::int64_t>(shape_.in_height) * shape_.in_width * input_pitch(shape_)) {
    const std::int64_t row = first / shape_.out_width;  // of all pictures
    x_ = static_cast<int>(first % shape_.out_width);
    y_ = static_cast<int>(row % shape_.out_height);
    image_ = static_cast<const Value*>(call.input) + row / shape_.out_height * picture_values_;
  }

  // The next `pixels` ones.
  void take(int pixels) {
    count = 0;
    for (int done = 0; done < pixels; ++count) {
      const int size = smaller(pixels - done, shape_.out_width - x_);
      runs[count] = {image_, y_ * shape_.stride - shape_.padding, x_ * shape_.stride - shape_.padding, done, size};
      done += size;
      x_ += size;
      if (x_ < shape_.out_width) continue;
      x_ = 0;
      if (++y_ < shape_.out_height) continue;
      y_ = 0;
      image_ += picture_values_;
    }
  }

 private:
  const ConvShape& shape_;
  std::int64_t picture_values_;
  const Value* image_;
  int y_, x_;  // of the next pixel
};

template <class P, int kBlocks>
void clear_blocks(typename P::Element zero, typename P::Element* to) {
  if constexpr (P::kPack == 1) {
    using V = typename P::Vector;
#pragma GCC unroll 4
    for (int i = 0; i < kChannelBlock; i += V::kLanes) V::store(to + i, V::zero());
  } else {
    fill(to, kBlocks * kChannelBlock, zero);
  }
}

// `count` values; the room behind them, up to the last block's end, may be filled with anything that is finite.
template <class P, int kBlocks>
void copy_first(const typename P::Value* from, int count, typename P::Element* to) {
  if constexpr (P::kPack == 1) {
    using V = typename P::Vector;
#pragma GCC unroll 4
    for (int i = 0; i < kChannelBlock; i += V::kLanes) V::store(to + i, V::load_first(from + i, count - i));
  } else {
    for (int i = 0; i < kBlocks * kChannelBlock; ++i) to[i] = i < count ? static_cast<typename P::Element>(from[i]) : 0;
  }
}

// Of a run, whose windows see `x` first at some tap: pixels [begin, end) see values inside rows of `width` there.
struct Inside {
  int begin = 0, end;
  Inside(int x, int stride, int width, int count) : end(count) {
    while (begin < end && x + begin * stride < 0) ++begin;
    while (begin < end && x + (end - 1) * stride >= width) --end;
  }
};

// Steps [begin, end) of kBlocks blocks each of the panel [steps][kTilePixels][16 kPack] of a slice whose channels begin
// with block `block`.
template <class P, int kBlocks>
void fill_taps(const ConvShape& s, const Geometry& g, const Windows<P>& windows, int block, int begin, int end,
               typename P::Element* panel) {
  constexpr int kValues = kBlocks * kChannelBlock;
  constexpr int kLine = P::kPack * kChannelBlock;
  constexpr int kStep = P::Vector::kTilePixels * kLine;
  const int pitch = input_pitch(s);
  const int first = block * kChannelBlock;
  const int all = g.tap_steps();
  int from = begin % all;  // steps [from, to) of the tap at (dy, dx)
  int dx = begin / all % s.kernel * s.dilation;
  int dy = begin / all / s.kernel * s.dilation;
  for (int step = begin; step < end;) {
    const int to = smaller(from + end - step, all);
    const int whole = smaller(to, (pitch - first) / kValues);  // those before can be read to their end
    for (int r = 0; r < windows.count; ++r) {
      const auto& run = windows.runs[r];
      auto* out = panel + run.first * kLine;
      const int y = run.top + dy;
      const int x = run.left + dx;
      const Inside inside(x, s.stride, s.in_width, y >= 0 && y < s.in_height ? run.count : 0);
      const auto* in = run.picture + (std::int64_t{y} * s.in_width + x) * pitch + first;
      const std::int64_t next = std::int64_t{s.stride} * pitch;
      for (int i = inside.begin; i < inside.end; ++i) {
        for (int k = from; k < whole; ++k) {
          P::template copy_blocks<kBlocks>(in + i * next + k * kValues, out + (k - from) * kStep + i * kLine);
        }
        for (int k = larger(from, whole); k < to; ++k) {
          copy_first<P, kBlocks>(in + i * next + k * kValues, pitch - first - k * kValues,
                                 out + (k - from) * kStep + i * kLine);
        }
      }
      const auto clear = [&](int i) {
        for (int k = from; k < to; ++k) clear_blocks<P, kBlocks>(windows.zero, out + (k - from) * kStep + i * kLine);
      };
      for (int i = 0; i < inside.begin; ++i) clear(i);
      for (int i = inside.end; i < run.count; ++i) clear(i);
    }
    step += to - from;
    panel += (to - from) * kStep;
    from = 0;
    dx += s.dilation;
    if (dx < s.kernel * s.dilation) continue;
    dx = 0;
    dy += s.dilation;
  }
}

}  // namespace
}  // namespace resnet
