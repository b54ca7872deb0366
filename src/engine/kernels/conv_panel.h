// Panels: the inputs of a tile of output pixels, and the weights, in the order in which the product reads them.
#pragma once

#include "engine/kernels/conv_geometry.h"

namespace resnet {
namespace {

template <class T>
void fill(T* to, int count, T value) {
  for (int i = 0; i < count; ++i) to[i] = value;
}

// Of an output channel.
inline std::int64_t weights_of_channel(const ConvShape& s) {
  return std::int64_t{s.in_channels} / s.groups * s.kernel * s.kernel;
}

// The weights of a step that one column has: calls put(k, weight) for its values k, as far as there are some. `own` are
// the column's, `block` is the first block of channels that its slice sees.
template <Layout kLayout, class Put>
[[gnu::always_inline]] inline void for_each_weight(const ConvShape& s, const Geometry& g, int column, int block,
                                                   int step, const float* own, Put put) {
  const int window = s.kernel * s.kernel;
  if constexpr (kLayout == Layout::kTaps) {
    const int group_in = s.in_channels / s.groups;
    const int channel =
        (block + step % g.slice_blocks) * kChannelBlock - column / (s.out_channels / s.groups) * group_in;
    const int tap = step / g.slice_blocks;
    const int last = smaller(kChannelBlock, group_in - channel);
    for (int k = larger(0, -channel); k < last; ++k) put(k, own[(channel + k) * window + tap]);
  } else {
    for (int k = 0; k < window * s.in_channels; ++k) put(k, own[k % s.in_channels * window + k / s.in_channels]);
  }
}

// Weights, out x in / groups x kernel x kernel, become [columns / tile][steps][count][columns of the tile][kPack]; a
// slice's last tile may be one of 16 columns. Zeros stand where a column's group does not see a channel. This packs the
// tile of `width` columns from `first` on, whose own `weights` are.
template <class P, Layout kLayout>
void pack_tile(const ConvShape& s, const Geometry& g, int first, int width, const float* weights,
               typename P::Element* out) {
  const int block = first_block(s, g, first);
  const std::int64_t step_values = std::int64_t{g.count} * width * P::kPack;
  for (int step = 0; step < g.steps; ++step, out += step_values) {
    fill(out, static_cast<int>(step_values), typename P::Element{});
    for (int column = first; column < smaller(first + width, s.out_channels); ++column) {
      auto* to = out + (column - first) * P::kPack;
      for_each_weight<kLayout>(
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
  static constexpr int kPixels = P::Vector::kTilePixels;
  const Value* picture[kPixels];  // the input of the pixel's picture
  int top[kPixels], left[kPixels];
  int count = 0;
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
    count = pixels;
    for (int i = 0; i < pixels; ++i) {
      picture[i] = image_;
      top[i] = y_ * shape_.stride - shape_.padding;
      left[i] = x_ * shape_.stride - shape_.padding;
      if (++x_ < shape_.out_width) continue;
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

template <class P>
void clear_block(typename P::Element zero, typename P::Element* to) {
  if constexpr (P::kPack == 1) {
    using V = typename P::Vector;
#pragma GCC unroll 2
    for (int i = 0; i < kChannelBlock; i += V::kLanes) V::store(to + i, V::zero());
  } else {
    fill(to, kChannelBlock, zero);
  }
}

// `count` values; the room behind them, up to a block's end, may be filled with anything that is finite.
template <class P>
void copy_first(const typename P::Value* from, int count, typename P::Element* to) {
  if constexpr (P::kPack == 1) {
    using V = typename P::Vector;
#pragma GCC unroll 2
    for (int i = 0; i < kChannelBlock; i += V::kLanes) V::store(to + i, V::load_first(from + i, count - i));
  } else {
    for (int i = 0; i < kChannelBlock; ++i) to[i] = i < count ? static_cast<typename P::Element>(from[i]) : 0;
  }
}

// Steps [begin, end) of the panel [steps][kTilePixels][16] of a slice whose channels begin with block `block`.
template <class P>
void fill_taps(const ConvShape& s, const Geometry& g, const Windows<P>& windows, int block, int begin, int end,
               typename P::Element* panel) {
  constexpr int kStep = P::Vector::kTilePixels * kChannelBlock;
  const int pitch = input_pitch(s);
  const int whole_blocks = s.dense_input ? s.in_channels / kChannelBlock : block + g.slice_blocks;
  int from = block + begin % g.slice_blocks;  // blocks [from, to) of the tap at (dy, dx)
  int dy = begin / g.slice_blocks / s.kernel * s.dilation;
  int dx = begin / g.slice_blocks % s.kernel * s.dilation;
  for (int step = begin; step < end;) {
    const int to = smaller(from + end - step, block + g.slice_blocks);
    const int whole = smaller(to, whole_blocks);
    for (int i = 0; i < windows.count; ++i) {
      const int y = windows.top[i] + dy;
      const int x = windows.left[i] + dx;
      auto* out = panel + i * kChannelBlock;
      if (y < 0 || y >= s.in_height || x < 0 || x >= s.in_width) {
        for (int b = from; b < to; ++b, out += kStep) clear_block<P>(windows.zero, out);
        continue;
      }
      const auto* in = windows.picture[i] + (static_cast<std::int64_t>(y) * s.in_width + x) * pitch;
      int b = from;
      for (; b < whole; ++b, out += kStep) P::copy_block(in + b * kChannelBlock, out);
      for (; b < to; ++b, out += kStep) copy_first<P>(in + b * kChannelBlock, pitch - b * kChannelBlock, out);
    }
    step += to - from;
    panel += (to - from) * kStep;
    from = block;
    dx += s.dilation;
    if (dx < s.kernel * s.dilation) continue;
    dx = 0;
    dy += s.dilation;
  }
}

// A row of a window, of `count` values; the last vector overlaps the one before.
template <class P>
[[gnu::always_inline]] inline void copy_row(const typename P::Value* from, int count, typename P::Element* to) {
  using V = typename P::Vector;
  constexpr int kStep = P::kPack == 1 ? V::kLanes : kChannelBlock;
  const auto copy = [&](int at) {
    if constexpr (P::kPack == 1) {
      V::store(to + at, V::load(from + at));
    } else {
      P::copy_block(from + at, to + at);
    }
  };
  if (count < kStep) {
    for (int i = 0; i < count; ++i) to[i] = static_cast<typename P::Element>(from[i]);
    return;
  }
  for (int i = 0; i + kStep <= count; i += kStep) copy(i);
  if (count % kStep > 0) copy(count - kStep);
}

// The panel [kTilePixels][kWindowValues]: rows of the windows, one after another.
template <class P>
void fill_rows(const ConvShape& s, const Windows<P>& windows, typename P::Element* panel) {
  const int row_values = s.kernel * s.in_channels;
  const int values = s.kernel * row_values;
  for (int i = 0; i < windows.count; ++i, panel += kWindowValues) {
    // Values [first, last) of the window's rows lie inside the picture, where rows [top, bottom) do.
    const int left = windows.left[i];
    const int first = smaller(larger(-left, 0), s.kernel) * s.in_channels;
    const int last = larger(smaller(s.in_width - left, s.kernel) * s.in_channels, first);
    const int top = larger(-windows.top[i], 0);
    const int bottom = smaller(s.in_height - windows.top[i], s.kernel);
    if (last - first < row_values || bottom - top < s.kernel) fill(panel, values, windows.zero);
    for (int row = top; row < bottom; ++row) {
      const std::int64_t at = (std::int64_t{windows.top[i] + row} * s.in_width + left) * s.in_channels;
      copy_row<P>(windows.picture[i] + at + first, last - first, panel + row * row_values + first);
    }
    for (int k = values; k % (P::kPack * P::kDotWords) != 0; ++k) panel[k] = 0;  // multiplied with the last ones
  }
}

}  // namespace
}  // namespace resnet
