// Pooling over vectors of channels.
#pragma once

#include "kernels/conv_geometry.h"

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

// The join of all inputs of a window, of one vector of channels that begins at `picture`.
template <class V, class T, class Join>
[[gnu::always_inline]] inline auto join_window(const Window& w, const T* picture, std::int64_t row_values,
                                               std::int64_t channels, Join join) {
  const T* corner = picture + w.top * row_values + w.left * channels;
  auto sum = V::load(corner);
  if (w.bottom - w.top == 3 && w.right - w.left == 3) {  // what networks have, without branches
#pragma GCC unroll 9
    for (int i = 1; i < 9; ++i) sum = join(sum, V::load(corner + i / 3 * row_values + i % 3 * channels));
    return sum;
  }
  for (int y = w.top; y < w.bottom; ++y) {
    const T* pixel = picture + y * row_values + w.left * channels;
    for (int column = w.left; column < w.right; ++column, pixel += channels) {
      if (pixel != corner) sum = join(sum, V::load(pixel));
    }
  }
  return sum;
}

// For each pixel of rows [begin, end) of the output and each vector of channels: finish(join of all inputs of the
// window, their number).
template <class V, class T, class Join, class Finish>
void pool_rows(const PoolShape& s, const void* input, void* output, int begin, int end, Join join, Finish finish) {
  const std::int64_t channels = ceil_divide(s.channels, kChannelBlock) * kChannelBlock;
  const std::int64_t row_values = s.in_width * channels;
  const T* in = static_cast<const T*>(input);
  T* out = static_cast<T*>(output) + begin * s.out_width * channels;
  for (int row = begin; row < end; ++row) {
    const T* picture = in + row / s.out_height * s.in_height * row_values;
    for (int x = 0; x < s.out_width; ++x, out += channels) {
      const Window w(s, row % s.out_height, x);
      const int pixels = (w.bottom - w.top) * (w.right - w.left);
      for (std::int64_t c = 0; c < channels; c += V::kLanes) {
        V::store(out + c, finish(join_window<V>(w, picture + c, row_values, channels, join), pixels));
      }
    }
  }
}

template <class V, class T>
void max_pool_of(const PoolShape& s, const void* in, void* out, int begin, int end) {
  using Reg = typename V::Reg;
  pool_rows<V, T>(
      s, in, out, begin, end, [](Reg a, Reg b) { return V::max(a, b); }, [](Reg a, int) { return a; });
}

template <class V>
void max_pool(const PoolShape& s, const void* in, void* out, int begin, int end) noexcept {
  switch (s.type) {
    case ValueType::kF32: return max_pool_of<V, float>(s, in, out, begin, end);
    case ValueType::kBf16: return max_pool_of<V, std::uint16_t>(s, in, out, begin, end);
    case ValueType::kU8:
      if (padded_channels(s.channels) % V::Line::kLanes == 0) {
        return max_pool_of<typename V::Line, std::uint8_t>(s, in, out, begin, end);
      }
      return max_pool_of<typename V::Bytes, std::uint8_t>(s, in, out, begin, end);
  }
}

template <class V, class T>
void average_pool_of(const PoolShape& s, const void* in, void* out, int begin, int end) {
  using Reg = typename V::Reg;
  pool_rows<V, T>(
      s, in, out, begin, end, [](Reg a, Reg b) { return V::add(a, b); },
      [](Reg a, int count) {
        const auto pixels = static_cast<float>(count);
        return V::divide(a, V::broadcast(&pixels));
      });
}

template <class V>
void average_pool(const PoolShape& s, const void* in, void* out, int begin, int end) noexcept {
  switch (s.type) {
    case ValueType::kF32: return average_pool_of<V, float>(s, in, out, begin, end);
    case ValueType::kBf16: return average_pool_of<V, std::uint16_t>(s, in, out, begin, end);
    case ValueType::kU8: return average_pool_of<V, std::uint8_t>(s, in, out, begin, end);
  }
}

// Row or column i of a picture, or what is seen of it in a mirror at its edge.
int reflected(int i, int size) { return i < 0 ? -i : i < size ? i : 2 * size - 2 - i; }

template <class V>
void blur(const PoolShape& s, const float* in, float* out, int begin, int end) noexcept {
  using Reg = typename V::Reg;
  constexpr float kShare = 1.0F / 16;
  const std::int64_t channels = ceil_divide(s.channels, kChannelBlock) * kChannelBlock;
  const std::int64_t row_values = s.in_width * channels;
  const auto weighted = [](Reg a, Reg b, Reg c) { return V::add(V::add(a, c), V::add(b, b)); };
  out += begin * s.out_width * channels;
  for (int row = begin; row < end; ++row) {
    const float* picture = in + row / s.out_height * s.in_height * row_values;
    const int top = row % s.out_height * s.stride - s.padding;
    const float* rows[3];
    for (int i = 0; i < 3; ++i) rows[i] = picture + reflected(top + i, s.in_height) * row_values;
    for (int x = 0; x < s.out_width; ++x, out += channels) {
      std::int64_t at[3];
      for (int i = 0; i < 3; ++i) at[i] = reflected(x * s.stride - s.padding + i, s.in_width) * channels;
      for (std::int64_t c = 0; c < channels; c += V::kLanes) {
        const auto column = [&](int i) {
          return weighted(V::load(rows[0] + at[i] + c), V::load(rows[1] + at[i] + c), V::load(rows[2] + at[i] + c));
        };
        V::store(out + c, V::multiply(weighted(column(0), column(1), column(2)), V::broadcast(&kShare)));
      }
    }
  }
}

template <class V, class T>
void global_average_pool_of(const PoolShape& s, const void* input, void* output, int begin, int end) {
  const int pixels = s.in_height * s.in_width;
  const std::int64_t channels = ceil_divide(s.channels, kChannelBlock) * kChannelBlock;
  const auto count = static_cast<float>(pixels);
  for (std::int64_t image = begin; image < end; ++image) {
    for (std::int64_t c = 0; c < channels; c += V::kLanes) {
      const T* pixel = static_cast<const T*>(input) + image * pixels * channels + c;
      T* out = static_cast<T*>(output) + image * channels + c;
      if constexpr (sizeof(T) == 1) {
        auto sum = V::zero_ints();
        for (int i = 0; i < pixels; ++i, pixel += channels) sum = V::add_ints(sum, V::load_ints(pixel));
        V::store(out, V::multiply_add(V::to_float(sum), V::broadcast(&s.scale), V::broadcast(&s.offset)));
      } else {
        auto sum = V::zero();
        for (int i = 0; i < pixels; ++i, pixel += channels) sum = V::add(sum, V::load(pixel));
        V::store(out, V::divide(sum, V::broadcast(&count)));
      }
    }
  }
}

template <class V>
void global_average_pool(const PoolShape& s, const void* in, void* out, int begin, int end) noexcept {
  switch (s.type) {
    case ValueType::kF32: return global_average_pool_of<V, float>(s, in, out, begin, end);
    case ValueType::kBf16: return global_average_pool_of<V, std::uint16_t>(s, in, out, begin, end);
    case ValueType::kU8: return global_average_pool_of<V, std::uint8_t>(s, in, out, begin, end);
  }
}

}  // namespace
}  // namespace resnet
