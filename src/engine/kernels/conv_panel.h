// Panels: the inputs of a tile of output pixels, and the weights, in the order in which the product reads them.
#pragma once

#include "engine/kernels/conv_geometry.h"

namespace resnet {
namespace {

// Weights, out x in / groups x kernel x kernel, become [columns / tile][steps][count][columns of the tile]; a slice's
// last tile may be one of 16 columns. Zeros stand where a column's group does not see a channel.
template <class V, Layout kLayout>
void pack_weights(const ConvShape& s, const float* weights, void* packed) noexcept {
  const Geometry g = geometry(s, kLayout);
  const int group_in = s.in_channels / s.groups;
  const int group_out = s.out_channels / s.groups;
  const int tile = V::kLanes * V::kTileVectors;
  auto* out = static_cast<float*>(packed);
  for (int slice = 0; slice < g.columns; slice += g.slice_columns) {
    const int block = first_block(s, g, slice);
    for (int first = slice; first < slice + g.slice_columns; first += tile) {
      const int last = smaller(first + tile, slice + g.slice_columns);
      for (int step = 0; step < g.steps; ++step) {
        for (int k = 0; k < g.count; ++k) {
          const int tap = kLayout == Layout::kTaps ? step / g.slice_blocks : step * s.kernel + k / s.in_channels;
          const int channel =
              kLayout == Layout::kTaps ? (block + step % g.slice_blocks) * kChannelBlock + k : k % s.in_channels;
          for (int column = first; column < last; ++column) {
            const int group = column / group_out;
            const int in = channel - group * group_in;
            const bool seen = column < s.out_channels && in >= 0 && in < group_in;
            const std::int64_t row = static_cast<std::int64_t>(column) * group_in + in;
            *out++ = seen ? weights[row * s.kernel * s.kernel + tap] : 0;
          }
        }
      }
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

// Where the windows of a tile's pixels begin: pixel number `first` of the output and those after it, row by row and
// picture by picture.
template <class V>
struct Windows {
  const float* picture[V::kTilePixels];  // the input of the pixel's picture
  int top[V::kTilePixels], left[V::kTilePixels];
  int count;

  Windows(const ConvCall& call, std::int64_t first, int pixels) : count(pixels) {
    const ConvShape& s = call.shape;
    const std::int64_t picture_values = static_cast<std::int64_t>(s.in_height) * s.in_width * input_pitch(s);
    std::int64_t image = first / (static_cast<std::int64_t>(s.out_height) * s.out_width);
    const auto rest = static_cast<int>(first % (static_cast<std::int64_t>(s.out_height) * s.out_width));
    int y = rest / s.out_width;
    int x = rest % s.out_width;
    for (int i = 0; i < pixels; ++i) {
      picture[i] = static_cast<const float*>(call.input) + image * picture_values;
      top[i] = y * s.stride - s.padding;
      left[i] = x * s.stride - s.padding;
      if (++x < s.out_width) continue;
      x = 0;
      if (++y < s.out_height) continue;
      y = 0;
      ++image;
    }
  }
};

template <class V>
void copy_block(const float* from, float* to) {
#pragma GCC unroll 2
  for (int i = 0; i < kChannelBlock; i += V::kLanes) V::store(to + i, V::load(from + i));
}

template <class V>
void clear_block(float* to) {
#pragma GCC unroll 2
  for (int i = 0; i < kChannelBlock; i += V::kLanes) V::store(to + i, V::zero());
}

// The first `count` values, then zeros.
template <class V>
void copy_first(const float* from, int count, float* to) {
#pragma GCC unroll 2
  for (int i = 0; i < kChannelBlock; i += V::kLanes) V::store(to + i, V::load_first(from + i, count - i));
}

// Steps [begin, end) of the panel [steps][kTilePixels][16] of a slice whose channels begin with block `block`.
template <class V>
void fill_taps(const ConvShape& s, const Geometry& g, const Windows<V>& windows, int block, int begin, int end,
               float* panel) {
  constexpr int kStep = V::kTilePixels * kChannelBlock;
  const int pitch = input_pitch(s);
  for (int step = begin; step < end;) {
    const int tap = step / g.slice_blocks;
    const int from = block + step % g.slice_blocks;  // blocks [from, to) of this tap
    const int to = smaller(from + end - step, block + g.slice_blocks);
    const int whole = s.dense_input ? smaller(to, s.in_channels / kChannelBlock) : to;
    const int dy = tap / s.kernel * s.dilation;
    const int dx = tap % s.kernel * s.dilation;
    for (int i = 0; i < windows.count; ++i) {
      const int y = windows.top[i] + dy;
      const int x = windows.left[i] + dx;
      float* out = panel + i * kChannelBlock;
      if (y < 0 || y >= s.in_height || x < 0 || x >= s.in_width) {
        for (int b = from; b < to; ++b, out += kStep) clear_block<V>(out);
        continue;
      }
      const float* in = windows.picture[i] + (static_cast<std::int64_t>(y) * s.in_width + x) * pitch;
      int b = from;
      for (; b < whole; ++b, out += kStep) copy_block<V>(in + b * kChannelBlock, out);
      for (; b < to; ++b, out += kStep) copy_first<V>(in + b * kChannelBlock, pitch - b * kChannelBlock, out);
    }
    step += to - from;
    panel += (to - from) * kStep;
  }
}

// Steps [begin, end), rows of the window, of the panel [steps][kTilePixels][kRowStride].
template <class V>
void fill_rows(const ConvShape& s, const Windows<V>& windows, int begin, int end, float* panel) {
  for (int row = begin; row < end; ++row) {
    for (int i = 0; i < windows.count; ++i, panel += kRowStride) {
      const int y = windows.top[i] + row;
      const int left = windows.left[i];
      const bool inside = y >= 0 && y < s.in_height;
      // Pixels [skip, stop) of the window's row lie inside the picture.
      const int skip = inside ? smaller(larger(-left, 0), s.kernel) : s.kernel;
      const int stop = larger(smaller(s.in_width - left, s.kernel), skip);
      const float* in = windows.picture[i] + (static_cast<std::int64_t>(y) * s.in_width + left) * s.in_channels;
      if (skip == 0) {
        copy_first<V>(in, stop * s.in_channels, panel);
        copy_first<V>(in + kChannelBlock, stop * s.in_channels - kChannelBlock, panel + kChannelBlock);
        continue;
      }
      for (int k = 0; k < s.kernel * s.in_channels; ++k) {
        panel[k] = k >= skip * s.in_channels && k < stop * s.in_channels ? in[k] : 0;
      }
    }
    panel += (V::kTilePixels - windows.count) * kRowStride;
  }
}

}  // namespace
}  // namespace resnet
