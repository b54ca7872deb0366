// The arithmetic of batch norm, addition and ReLU on a CPU, one pass over memory each. A picture's pixels are rows of
// `channels` dense values (NHWC); callers cut the rows into pieces and run them on several threads. float or bfloat16
// in memory, float32 in registers.
//
//   y  = relu(scale * x + bias + residual)      scale = weight / deviation, bias = bias - mean * scale
//   dx = a * g + b * x + c                      g: the gradient of y where y > 0
//
// with a = scale, b = -a * sum(g * (x - mean)) / (deviation^2 * n), c = -a * sum(g) / n - b * mean (Ioffe and Szegedy
// 2015, arXiv:1502.03167, section 3, collected by powers of x).
#pragma once

#include <cstdint>

#include "base/isa.h"

namespace resnet::batch_norm {

struct BFloat16 {
  std::uint16_t bits;
};

// What the ReLU let through.
enum class Mask {
  kNone,        // there is no ReLU
  kFromInput,   // where scale * x + bias > 0
  kFromOutput,  // where y > 0
};

// The functions for one instruction set, of values T: float or BFloat16.
template <typename T>
struct Kernels {
  // Adds the sums of x - shift and (x - shift)^2 of each channel to sums[0, channels) and sums[channels, 2 channels). A
  // shift close to the mean keeps the variance from being a small difference of large numbers.
  void (*add_moments)(const T* x, std::int64_t rows, std::int64_t channels, const float* shift, double* sums);

  // y = scale * x + bias, + residual where it is not null, and 0 for what is negative where `relu`.
  void (*apply)(const T* x, const T* residual, std::int64_t rows, std::int64_t channels, const float* scale,
                const float* bias, bool relu, T* y);

  // Adds the sums of g and g * (x - mean) to sums[0, channels) and sums[channels, 2 channels), g = dy behind the mask.
  // Writes g to `masked` where it is not null. `y` is read for kFromOutput alone, scale and bias for kFromInput alone.
  void (*add_gradient_sums)(const T* dy, const T* x, const T* y, std::int64_t rows, std::int64_t channels,
                            const float* scale, const float* bias, const float* mean, Mask mask, T* masked,
                            double* sums);

  // dx = a * g + b * x + c, g = dy behind the mask (kNone or kFromInput).
  void (*apply_gradient)(const T* dy, const T* x, std::int64_t rows, std::int64_t channels, const float* scale,
                         const float* bias, Mask mask, const float* a, const float* b, const float* c, T* dx);
};

// Those for an instruction set that is supported.
template <typename T>
const Kernels<T>& kernels_for(Isa isa) noexcept;

}  // namespace resnet::batch_norm
