// Arithmetic value by value.
#pragma once

#include "kernels/kernels.h"
#include "kernels/vector/curves.h"

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
void curve(Curve curve, float negative_slope, float* values, std::size_t begin, std::size_t end) noexcept {
  apply_curve<V>(curve, negative_slope, values + begin, 1, static_cast<std::int64_t>(end - begin), 0);
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
    const auto quantized = V::load(static_cast<const std::uint8_t*>(in) + i);
    V::store(out_floats + i, V::multiply(V::add(quantized, minus_zero), scale));
  });
}

}  // namespace
}  // namespace resnet
