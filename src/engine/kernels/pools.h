// Pooling over vectors of channels.
#pragma once

#include "engine/kernels/conv_geometry.h"

namespace resnet {
namespace {

// The part of a window that lies inside the picture: rows [top, bottom) and columns [left, right).
struct Window {
  int top, bottom, left, right;
  Window(const PoolShape& s, int y, int x) {
    top = larger(y * s.stride - s.padding, 0);
    bottom = smaller(y * s.stride - s.padding + s.kernel, s.in_height);
    left = larger(x * s.stride - s.padding, 0);
    right = smaller(x * s.stride - s.padding + s.kernel, s.in_width);
  }
};

// For each pixel of rows [begin, end) of the output and each vector of channels: finish(join of all inputs of the
// window, their number).
template <class V, class Join, class Finish>
void pool_rows(const PoolShape& s, const float* in, float* out, int begin, int end, Join join, Finish finish) {
  const std::int64_t channels = ceil_divide(s.channels, kChannelBlock) * kChannelBlock;
  const std::int64_t row_values = s.in_width * channels;
  out += begin * s.out_width * channels;
  for (int row = begin; row < end; ++row) {
    const float* picture = in + row / s.out_height * s.in_height * row_values;
    for (int x = 0; x < s.out_width; ++x, out += channels) {
      const Window w(s, row % s.out_height, x);
      const int pixels = (w.bottom - w.top) * (w.right - w.left);
      for (std::int64_t c = 0; c < channels; c += V::kLanes) {
        const float* corner = picture + w.top * row_values + w.left * channels + c;
        auto sum = V::load(corner);
        for (int y = w.top; y < w.bottom; ++y) {
          const float* pixel = picture + y * row_values + w.left * channels + c;
          for (int column = w.left; column < w.right; ++column, pixel += channels) {
            if (pixel != corner) sum = join(sum, V::load(pixel));
          }
        }
        V::store(out + c, finish(sum, pixels));
      }
    }
  }
}

template <class V>
void max_pool(const PoolShape& s, const void* in, void* out, int begin, int end) noexcept {
  using Reg = typename V::Reg;
  pool_rows<V>(
      s, static_cast<const float*>(in), static_cast<float*>(out), begin, end, [](Reg a, Reg b) { return V::max(a, b); },
      [](Reg a, int) { return a; });
}

template <class V>
void average_pool(const PoolShape& s, const void* in, void* out, int begin, int end) noexcept {
  using Reg = typename V::Reg;
  pool_rows<V>(
      s, static_cast<const float*>(in), static_cast<float*>(out), begin, end, [](Reg a, Reg b) { return V::add(a, b); },
      [](Reg a, int count) {
        const auto pixels = static_cast<float>(count);
        return V::divide(a, V::broadcast(&pixels));
      });
}

template <class V>
void global_average_pool(const PoolShape& s, const void* in, void* out, int begin, int end) noexcept {
  const int pixels = s.in_height * s.in_width;
  const std::int64_t channels = ceil_divide(s.channels, kChannelBlock) * kChannelBlock;
  const auto count = static_cast<float>(pixels);
  for (std::int64_t image = begin; image < end; ++image) {
    for (std::int64_t c = 0; c < channels; c += V::kLanes) {
      const float* pixel = static_cast<const float*>(in) + image * pixels * channels + c;
      auto sum = V::zero();
      for (int i = 0; i < pixels; ++i, pixel += channels) sum = V::add(sum, V::load(pixel));
      V::store(static_cast<float*>(out) + image * channels + c, V::divide(sum, V::broadcast(&count)));
    }
  }
}

}  // namespace
}  // namespace resnet
