// Arithmetic value by value, and the measure of the processor's peak.
#pragma once

#include "engine/kernels/kernels.h"

namespace resnet {
namespace {

template <class V>
void add(const float* a, const float* b, float* out, bool relu, std::size_t begin, std::size_t end) noexcept {
  std::size_t i = begin;
  for (; i + V::kLanes <= end; i += V::kLanes) {
    auto value = V::load(a + i);
    if (b != nullptr) value = V::add(value, V::load(b + i));
    V::store(out + i, relu ? V::relu(value) : value);
  }
  for (; i < end; ++i) {
    const float value = b == nullptr ? a[i] : a[i] + b[i];
    out[i] = relu && value < 0 ? 0 : value;
  }
}

template <class V>
void scale_shift(const float* in, const float* scale, const float* shift, float* out, int channels, bool relu,
                 std::int64_t begin, std::int64_t end) noexcept {
  for (std::int64_t pixel = begin; pixel < end; ++pixel) {
    for (int c = 0; c < channels; c += V::kLanes) {
      const std::int64_t at = pixel * channels + c;
      const auto value = V::multiply_add(V::load(in + at), V::load(scale + c), V::load(shift + c));
      V::store(out + at, relu ? V::relu(value) : value);
    }
  }
}

// As many sums as a product's tile has, so that neither latency nor loads stand in the way.
template <class V>
double spin(std::int64_t iterations) noexcept {
  constexpr int kSums = V::kTilePixels * V::kTileVectors;
  constexpr float kHalf = 0.5F;
  constexpr float kOne = 1;
  const auto factor = V::broadcast(&kHalf);
  const auto addend = V::broadcast(&kOne);
  typename V::Reg sum[kSums];
#pragma GCC unroll 32
  for (int j = 0; j < kSums; ++j) {  // different values, or the compiler would compute one sum for all
    const auto first = static_cast<float>(j);
    sum[j] = V::broadcast(&first);
  }
  for (std::int64_t i = 0; i < iterations; ++i) {
#pragma GCC unroll 32
    for (int j = 0; j < kSums; ++j) sum[j] = V::multiply_add(sum[j], factor, addend);
  }
  float values[V::kLanes];
  volatile float sink;  // keeps the loop
  for (int j = 1; j < kSums; ++j) sum[0] = V::add(sum[0], sum[j]);
  V::store(values, sum[0]);
  sink = values[0];
  static_cast<void>(sink);
  return 2.0 * kSums * V::kLanes * static_cast<double>(iterations);
}

}  // namespace
}  // namespace resnet
