// Arithmetic value by value, and the measure of the processor's peak.
#pragma once

#include "kernels/kernels.h"

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

template <class V>
void convert(const ValueFormat& from, const void* in, const ValueFormat& to, void* out, std::size_t begin,
             std::size_t end) noexcept {
  const auto each = [&](auto work) {  // channels are padded: whole vectors
    for (std::size_t i = begin; i < end; i += V::kLanes) work(i);
  };
  const auto* floats = static_cast<const float*>(in);
  auto* out_floats = static_cast<float*>(out);
  if (to.type == ValueType::kU8) {
    const float inverse_scale = 1 / to.scale;
    const float zero_point = to.zero_point;
    const auto inverse = V::broadcast(&inverse_scale);
    const auto zero = V::broadcast(&zero_point);
    return each([&](std::size_t i) {
      V::store(static_cast<std::uint8_t*>(out) + i, V::add(V::round(V::multiply(V::load(floats + i), inverse)), zero));
    });
  }
  if (to.type == ValueType::kBf16) {
    return each([&](std::size_t i) { V::store(static_cast<std::uint16_t*>(out) + i, V::load(floats + i)); });
  }
  if (from.type == ValueType::kBf16) {
    return each([&](std::size_t i) { V::store(out_floats + i, V::load(static_cast<const std::uint16_t*>(in) + i)); });
  }
  const float minus_zero_point = -static_cast<float>(from.zero_point);
  const auto scale = V::broadcast(&from.scale);
  const auto minus_zero = V::broadcast(&minus_zero_point);
  each([&](std::size_t i) {
    const auto number = V::load(static_cast<const std::uint8_t*>(in) + i);
    V::store(out_floats + i, V::multiply(V::add(number, minus_zero), scale));
  });
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

// The same for products of words that hold several values (conv_product.h), read from the first-level cache as a
// product reads them: the compiler would take identical ones out of the loop, and compute one sum for two columns whose
// weights it knows to be equal.
template <class P>
double spin_dots(std::int64_t iterations) noexcept {
  using V = typename P::Vector;
  constexpr int kRows = V::kTilePixels;
  constexpr int kVectors = V::kTileVectors;
  constexpr int kWords = P::kDotWords;
  float words[kRows * kWords] = {};
  const float* panel = words;
  asm volatile("" : "+r"(panel) : : "memory");
  typename V::Reg weight[kVectors][kWords];
  typename P::Sum sum[kRows][kVectors];
  for (int j = 0; j < kVectors * kWords; ++j) weight[j / kWords][j % kWords] = V::broadcast(panel + j);
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    for (int j = 0; j < kVectors; ++j) sum[i][j] = typename P::Sum{};
  }
  for (std::int64_t n = 0; n < iterations; ++n) {
    asm volatile("" : "+r"(panel) : : "memory");
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      typename V::Reg value[kWords];
#pragma GCC unroll 2
      for (int w = 0; w < kWords; ++w) value[w] = V::broadcast(panel + i * kWords + w);
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) sum[i][j] = P::dot(value, weight[j], sum[i][j]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) asm volatile("" : : "x"(sum[i][j]));  // keeps the loop
  }
  return 2.0 * kRows * kVectors * V::kLanes * P::kPack * kWords * static_cast<double>(iterations);
}

}  // namespace
}  // namespace resnet
