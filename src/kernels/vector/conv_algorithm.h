// An algorithm's entry in a table, and the measure of what its products could do at most.
#pragma once

#include "kernels/vector/conv_product.h"

namespace resnet {
namespace {

// As many sums as a product's tile has, so that neither latency nor loads stand in the way.
template <class V>
double spin_floats(std::int64_t iterations) noexcept {
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
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j) sum[i][j] = P::dot(value, weight[j], sum[i][j]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) V::keep(sum[i][j]);
  }
  return 2.0 * kRows * kVectors * V::kLanes * P::kPack * kWords * static_cast<double>(iterations);
}

template <class P>
double spin(std::int64_t iterations) noexcept {
  if constexpr (P::kPack == 1) {
    return spin_floats<typename P::Vector>(iterations);
  } else {
    return spin_dots<P>(iterations);
  }
}

// What Conv computes a convolution by, whose products are P.
template <class Conv, class P>
constexpr ConvAlgorithm conv_algorithm(const char* name, ConvFamily family) {
  return {name,
          family,
          P::kType,
          P::kRule,
          Conv::refuse,
          Conv::packed_bytes,
          Conv::pack_unit,
          Conv::pack,
          Conv::scratch_bytes,
          Conv::tasks,
          Conv::cost,
          Conv::run,
          spin<P>};
}

// Why no algorithm whose products are P takes the values or the weights; kNone where they are what it takes.
template <class P>
Refusal refuse_values(const ConvShape& s) {
  if (s.in_type != P::kType) return Refusal::kOtherType;
  return P::kRule == WeightRule::kShort && s.weights != WeightRule::kShort ? Refusal::kLongWeights : Refusal::kNone;
}

}  // namespace
}  // namespace resnet
