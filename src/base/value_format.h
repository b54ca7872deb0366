// How the values that operations give and read are stored: float32, bfloat16, or quantized to 8 bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace resnet {

enum class ValueType : std::uint8_t { kF32, kBf16, kU8 };

constexpr std::size_t size_in_bytes(ValueType type) noexcept {
  return type == ValueType::kF32 ? 4 : type == ValueType::kBf16 ? 2 : 1;
}

// How stored values stand for real ones. Only kU8 has a scale and a zero point: real = scale * (quantized -
// zero_point).
struct ValueFormat {
  ValueType type = ValueType::kF32;
  float scale = 1;
  std::uint8_t zero_point = 0;
  bool operator==(const ValueFormat&) const = default;
};

}  // namespace resnet
