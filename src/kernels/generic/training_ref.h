// What each operation that learns means, in plain C++ over any type of values: the training table of the reference, and
// in double precision what finite differences are taken of. An operation that is linear in what it reads is one walk
// over its products, from which its results and both gradients follow.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "kernels/training.h"

namespace resnet {
namespace {

// Calls visit(index in the input, in the weights, in the output) for each product of a convolution over pixels
// [begin, end) of the output. Weights are out x in / groups x kernel x kernel.
template <class Visit>
void for_each_product(const ConvShape& s, std::int64_t begin, std::int64_t end, Visit visit) {
  const int group_in = s.in_channels / s.groups;
  const int group_out = s.out_channels / s.groups;
  for (std::int64_t pixel = begin; pixel < end; ++pixel) {
    const std::int64_t row = pixel / s.out_width;
    const std::int64_t picture = row / s.out_height;
    for (int tap = 0; tap < s.kernel * s.kernel; ++tap) {
      const int y = static_cast<int>(row % s.out_height) * s.stride - s.padding + tap / s.kernel * s.dilation;
      const int x = static_cast<int>(pixel % s.out_width) * s.stride - s.padding + tap % s.kernel * s.dilation;
      if (y < 0 || y >= s.in_height || x < 0 || x >= s.in_width) continue;
      const std::int64_t from = ((picture * s.in_height + y) * s.in_width + x) * input_pitch(s);
      for (int out = 0; out < s.out_channels; ++out) {
        for (int i = 0; i < group_in; ++i) {
          visit(from + out / group_out * group_in + i, (std::int64_t{out} * group_in + i) * s.kernel * s.kernel + tap,
                pixel * padded_channels(s.out_channels) + out);
        }
      }
    }
  }
}

// Calls visit(pixel of the input, pixel of the output, pixels of the window) for each pixel that a window of a picture
// sees.
template <class Visit>
void for_each_pooled(const PoolShape& s, int picture, Visit visit) {
  for (int out = 0; out < s.out_height * s.out_width; ++out) {
    const int top = out / s.out_width * s.stride - s.padding;
    const int left = out % s.out_width * s.stride - s.padding;
    const int bottom = std::min(top + s.kernel, s.in_height);
    const int right = std::min(left + s.kernel, s.in_width);
    const int pixels = (bottom - std::max(top, 0)) * (right - std::max(left, 0));
    for (int y = std::max(top, 0); y < bottom; ++y) {
      for (int x = std::max(left, 0); x < right; ++x) {
        visit((std::int64_t{picture} * s.in_height + y) * s.in_width + x,
              std::int64_t{picture} * s.out_height * s.out_width + out, pixels);
      }
    }
  }
}

// Calls visit(pixel of the input, pixel of the output, weight) for each product of a blur.
template <class Visit>
void for_each_blurred(const PoolShape& s, int picture, Visit visit) {
  constexpr int kWeights[] = {1, 2, 1};
  const auto mirrored = [](int i, int size) { return i < 0 ? -i : i < size ? i : 2 * size - 2 - i; };
  for (int out = 0; out < s.out_height * s.out_width; ++out) {
    for (int tap = 0; tap < 9; ++tap) {
      const int y = mirrored(out / s.out_width * s.stride - s.padding + tap / 3, s.in_height);
      const int x = mirrored(out % s.out_width * s.stride - s.padding + tap % 3, s.in_width);
      visit((std::int64_t{picture} * s.in_height + y) * s.in_width + x,
            std::int64_t{picture} * s.out_height * s.out_width + out, kWeights[tap / 3] * kWeights[tap % 3] / 16.0F);
    }
  }
}

// An activation; Curve::kNone is the ReLU.
template <class T>
T activated(Curve curve, T slope, T x) {
  const auto relu6 = [](T y) { return std::clamp(y, T{0}, T{6}); };
  switch (curve) {
    case Curve::kNone: return x > 0 ? x : 0;
    case Curve::kLeakyRelu: return x > 0 ? x : x * slope;
    case Curve::kRelu6: return relu6(x);
    case Curve::kSilu: return x / (1 + std::exp(-x));
    case Curve::kGelu: return x * std::erfc(-x / std::numbers::sqrt2_v<T>) / 2;
    case Curve::kHardswish: return x * relu6(x + 3) / 6;
  }
  return x;
}

// Its slope; where it has none, PyTorch's choice.
template <class T>
T activation_slope(Curve curve, T slope, T x) {
  switch (curve) {
    case Curve::kNone: return x > 0 ? 1 : 0;
    case Curve::kLeakyRelu: return x > 0 ? 1 : slope;
    case Curve::kRelu6: return x > 0 && x < 6 ? 1 : 0;
    case Curve::kSilu: {
      const T share = 1 / (1 + std::exp(-x));
      return share * (1 + x * (1 - share));
    }
    case Curve::kGelu: {
      const T density = std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi_v<T>);
      return std::erfc(-x / std::numbers::sqrt2_v<T>) / 2 + x * density;
    }
    case Curve::kHardswish: return x <= -3 ? 0 : x < 3 ? x / 3 + T{1} / 2 : 1;
  }
  return 1;
}

// The batch norm of TrainingKernels, channel by channel, on values that lie `pitch` apart.
template <class T>
struct ReferenceNorm {
  std::int64_t pixels;
  std::int64_t pitch;

  template <class Sum>
  void add_moments(const T* x, Sum shift, Sum* sum, Sum* square) const {
    for (std::int64_t i = 0; i < pixels; ++i) {
      const Sum value = x[i * pitch] - shift;
      *sum += value;
      *square += value * value;
    }
  }

  void normalize(const T* x, const T* residual, T scale, T bias, bool relu, T* y) const {
    for (std::int64_t i = 0; i < pixels; ++i) {
      T value = scale * x[i * pitch] + bias;
      if (residual != nullptr) value += residual[i * pitch];
      y[i * pitch] = relu && value < 0 ? 0 : value;
    }
  }

  static T masked(T dy, T x, const T* y, T scale, T bias, ReluMask mask) {
    switch (mask) {
      case ReluMask::kNone: break;
      case ReluMask::kFromInput: return scale * x + bias > 0 ? dy : 0;
      case ReluMask::kFromOutput: return *y > 0 ? dy : 0;
    }
    return dy;
  }

  template <class Sum>
  void add_gradient_sums(const T* dy, const T* x, const T* y, T scale, T bias, T mean, ReluMask mask, T* kept, Sum* sum,
                         Sum* product) const {
    for (std::int64_t i = 0; i < pixels * pitch; i += pitch) {
      const T g = masked(dy[i], x[i], y == nullptr ? nullptr : y + i, scale, bias, mask);
      if (kept != nullptr) kept[i] = g;
      *sum += g;
      *product += static_cast<Sum>(g) * (x[i] - mean);
    }
  }

  void normalize_gradient(const T* dy, const T* x, T scale, T bias, ReluMask mask, T a, T b, T c, T* dx) const {
    for (std::int64_t i = 0; i < pixels * pitch; i += pitch) {
      dx[i] = a * masked(dy[i], x[i], nullptr, scale, bias, mask) + (b * x[i] + c);
    }
  }
};

}  // namespace
}  // namespace resnet
