// Batch norm in training, with the addition and the ReLU behind it (training.h), over vectors of channels: one pass
// over memory each. Sums of a few pixels are float32 and stay in registers; those of all are double.
#pragma once

#include <type_traits>

#include "kernels/training.h"
#include "kernels/vector/conv_tile.h"

namespace resnet {
namespace {

template <class V>
struct BatchNorm {
  using Reg = typename V::Reg;
  static constexpr int kLanes = V::kLanes;
  static constexpr std::int64_t kTile = 64;  // pixels whose sums are float32, and which stay in the nearest cache

  // Calls body(number of vectors, first channel) for groups of channels, as many vectors of them as leave room for sums
  // in registers.
  template <class Body>
  [[gnu::always_inline]] static void for_groups(int channels, const Body& body) {
    constexpr int kMost = 4;
    constexpr int kBlock = kChannelBlock / kLanes;
    int channel = 0;
    for (; channel + kMost * kLanes <= channels; channel += kMost * kLanes) {
      body(std::integral_constant<int, kMost>(), channel);
    }
    if constexpr (kBlock < kMost) {
      for (; channel < channels; channel += kBlock * kLanes) body(std::integral_constant<int, kBlock>(), channel);
    }
  }

  template <int kVectors>
  [[gnu::always_inline]] static void load_group(const float* from, Reg (&to)[kVectors]) {
    for_each_sum<1, kVectors>([&](int, int j) { to[j] = V::load(from + j * kLanes); });
  }

  template <int kVectors>
  static void add_to(double* sums, const Reg (&values)[kVectors]) {
    float lanes[kVectors * kLanes];
    for_each_sum<1, kVectors>([&](int, int j) { V::store(lanes + j * kLanes, values[j]); });
    for (int i = 0; i < kVectors * kLanes; ++i) sums[i] += lanes[i];
  }

  template <int kVectors>
  static void add_moments_of(const float* x, std::int64_t pixels, int channels, const float* shift, double* sums,
                             double* squares) {
    Reg shifts[kVectors], sum[kVectors], square[kVectors];
    load_group(shift, shifts);
    for_each_sum<1, kVectors>([&](int, int j) { sum[j] = square[j] = V::zero(); });
    for (; pixels > 0; --pixels, x += channels) {
      for_each_sum<1, kVectors>([&](int, int j) {
        const Reg value = V::subtract(V::load(x + j * kLanes), shifts[j]);
        sum[j] = V::add(sum[j], value);
        square[j] = V::multiply_add(value, value, square[j]);
      });
    }
    add_to(sums, sum);
    add_to(squares, square);
  }

  static void add_moments(const float* x, std::int64_t pixels, int channels, const float* shift,
                          double* sums) noexcept {
    for (std::int64_t pixel = 0; pixel < pixels; pixel += kTile) {
      const std::int64_t count = pixels - pixel < kTile ? pixels - pixel : kTile;
      for_groups(channels, [&](auto vectors, int c) {
        add_moments_of<vectors>(x + pixel * channels + c, count, channels, shift + c, sums + c, sums + channels + c);
      });
    }
  }

  template <bool kResidual, bool kRelu>
  static void normalize_as(const float* x, const float* residual, std::int64_t pixels, int channels, const float* scale,
                           const float* bias, float* y) {
    for (std::int64_t begin = 0; begin < pixels; begin += kTile) {
      const std::int64_t end = pixels - begin < kTile ? pixels : begin + kTile;
      for_groups(channels, [&](auto vectors, int c) {
        constexpr int kVectors = vectors;
        Reg scales[kVectors], biases[kVectors];
        load_group(scale + c, scales);
        load_group(bias + c, biases);
        for (std::int64_t at = begin * channels + c; at < end * channels; at += channels) {
          for_each_sum<1, kVectors>([&](int, int j) {
            Reg value = V::multiply_add(V::load(x + at + j * kLanes), scales[j], biases[j]);
            if (kResidual) value = V::add(value, V::load(residual + at + j * kLanes));
            V::store(y + at + j * kLanes, kRelu ? V::relu(value) : value);
          });
        }
      });
    }
  }

  static void normalize(const float* x, const float* residual, std::int64_t pixels, int channels, const float* scale,
                        const float* bias, bool relu, float* y) noexcept {
    if (residual != nullptr && relu) return normalize_as<true, true>(x, residual, pixels, channels, scale, bias, y);
    if (residual != nullptr) return normalize_as<true, false>(x, residual, pixels, channels, scale, bias, y);
    if (relu) return normalize_as<false, true>(x, residual, pixels, channels, scale, bias, y);
    return normalize_as<false, false>(x, residual, pixels, channels, scale, bias, y);
  }

  template <ReluMask kMask>
  [[gnu::always_inline]] static Reg masked(Reg dy, Reg x, const float* y, Reg scale, Reg bias) {
    if constexpr (kMask == ReluMask::kFromInput) return V::where_positive(V::multiply_add(x, scale, bias), dy);
    if constexpr (kMask == ReluMask::kFromOutput) return V::where_positive(V::load(y), dy);
    return dy;
  }

  template <ReluMask kMask, bool kWrite>
  static void add_gradient_sums_as(const float* dy, const float* x, const float* y, std::int64_t pixels, int channels,
                                   const float* scale, const float* bias, const float* mean, float* kept,
                                   double* sums) {
    for (std::int64_t begin = 0; begin < pixels; begin += kTile) {
      const std::int64_t end = pixels - begin < kTile ? pixels : begin + kTile;
      for_groups(channels, [&](auto vectors, int c) {
        constexpr int kVectors = vectors;
        Reg scales[kVectors], biases[kVectors], means[kVectors], sum[kVectors], product[kVectors];
        load_group(kMask == ReluMask::kFromInput ? scale + c : mean + c, scales);
        load_group(kMask == ReluMask::kFromInput ? bias + c : mean + c, biases);
        load_group(mean + c, means);
        for_each_sum<1, kVectors>([&](int, int j) { sum[j] = product[j] = V::zero(); });
        for (std::int64_t row = begin * channels + c; row < end * channels; row += channels) {
          for_each_sum<1, kVectors>([&](int, int j) {
            const std::int64_t at = row + j * kLanes;
            const Reg value = V::load(x + at);
            const Reg g = masked<kMask>(V::load(dy + at), value, y + at, scales[j], biases[j]);
            if (kWrite) V::store(kept + at, g);
            sum[j] = V::add(sum[j], g);
            product[j] = V::multiply_add(g, V::subtract(value, means[j]), product[j]);
          });
        }
        add_to(sums + c, sum);
        add_to(sums + channels + c, product);
      });
    }
  }

  static void add_gradient_sums(const float* dy, const float* x, const float* y, std::int64_t pixels, int channels,
                                const float* scale, const float* bias, const float* mean, ReluMask mask, float* kept,
                                double* sums) noexcept {
    const auto run = [&](auto kind) {
      if (kept != nullptr) {
        add_gradient_sums_as<kind, true>(dy, x, y, pixels, channels, scale, bias, mean, kept, sums);
      } else {
        add_gradient_sums_as<kind, false>(dy, x, y, pixels, channels, scale, bias, mean, kept, sums);
      }
    };
    switch (mask) {
      case ReluMask::kNone: return run(std::integral_constant<ReluMask, ReluMask::kNone>());
      case ReluMask::kFromInput: return run(std::integral_constant<ReluMask, ReluMask::kFromInput>());
      case ReluMask::kFromOutput: return run(std::integral_constant<ReluMask, ReluMask::kFromOutput>());
    }
  }

  template <ReluMask kMask>
  static void normalize_gradient_as(const float* dy, const float* x, std::int64_t pixels, int channels,
                                    const float* scale, const float* bias, const float* a, const float* b,
                                    const float* c, float* dx) {
    for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
      for (int channel = 0; channel < channels; channel += kLanes) {
        const std::int64_t at = pixel * channels + channel;
        const Reg value = V::load(x + at);
        Reg g = V::load(dy + at);
        if constexpr (kMask == ReluMask::kFromInput) {
          g = masked<kMask>(g, value, nullptr, V::load(scale + channel), V::load(bias + channel));
        }
        const Reg rest = V::multiply_add(V::load(b + channel), value, V::load(c + channel));
        V::store(dx + at, V::multiply_add(V::load(a + channel), g, rest));
      }
    }
  }

  static void normalize_gradient(const float* dy, const float* x, std::int64_t pixels, int channels, const float* scale,
                                 const float* bias, ReluMask mask, const float* a, const float* b, const float* c,
                                 float* dx) noexcept {
    if (mask == ReluMask::kFromInput) {
      normalize_gradient_as<ReluMask::kFromInput>(dy, x, pixels, channels, scale, bias, a, b, c, dx);
    } else {
      normalize_gradient_as<ReluMask::kNone>(dy, x, pixels, channels, scale, bias, a, b, c, dx);
    }
  }
};

}  // namespace
}  // namespace resnet
