// The one rounding from real values to quantized ones (kU8): to_u8() cuts to 0 ... 255 and rounds to nearest, ties to
// even; NaN becomes 0. quantize() multiplies by the reciprocal of the scale (rounded to float32), rounds, and adds the
// zero point. In plain C++, for files that are compiled without special instructions.
#pragma once

#include <cstdint>

namespace resnet {

// A float32 to the nearest whole number, ties to even, where it lies between -2^22 and 2^22 (the sum has no bits for
// fractions); what lies outside stays outside.
inline float round_to_even(float value) noexcept { return (value + 0x1.8p23F) - 0x1.8p23F; }

inline std::uint8_t to_u8(float value) noexcept {
  const float above = value > 0 ? value : 0;
  return static_cast<std::uint8_t>(static_cast<int>(round_to_even(above < 255 ? above : 255)));
}

inline std::uint8_t quantize(float value, float inverse_scale, float zero_point) noexcept {
  return to_u8(round_to_even(value * inverse_scale) + zero_point);
}

inline float dequantize(std::uint8_t quantized, float scale, float zero_point) noexcept {
  return scale * (static_cast<float>(quantized) - zero_point);
}

}  // namespace resnet
