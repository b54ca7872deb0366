// The one rounding from a real value to a kU8 number, as every quantiser here does it: multiplied by the reciprocal of
// the scale, the zero point added (each rounded to float32), cut to 0 ... 255, rounded to nearest, ties to even. NaN
// becomes 0. In plain C++, for files compiled without special instructions.
#pragma once

#include <cstdint>

namespace resnet {

// A float32 between -2^22 and 2^22 to the nearest whole number, ties to even: the sum has no bits for fractions.
inline float round_to_even(float value) noexcept { return (value + 0x1.8p23F) - 0x1.8p23F; }

inline std::uint8_t to_u8(float value) noexcept {
  const float above = value > 0 ? value : 0;
  return static_cast<std::uint8_t>(static_cast<int>(round_to_even(above < 255 ? above : 255)));
}

inline std::uint8_t quantize(float value, float inverse_scale, float zero_point) noexcept {
  return to_u8(value * inverse_scale + zero_point);
}

}  // namespace resnet
