#include "tensor/convert.h"

#include <bit>
#include <cstring>

#include "base/bfloat16.h"

namespace resnet {

float half_to_float(std::uint16_t bits) noexcept {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
  const std::uint32_t exponent = (bits >> 10) & 0x1FU;
  const std::uint32_t mantissa = bits & 0x3FFU;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | mantissa << 13);
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
}

namespace {

template <typename T, typename Convert>
void convert(std::span<const std::byte> bytes, std::span<float> out, Convert to_float) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    out[i] = to_float(value);
  }
}

}  // namespace

void convert_to_f32(DType type, std::span<const std::byte> bytes, std::span<float> out) {
  const auto plain = [](auto value) { return static_cast<float>(value); };
  switch (type) {
    case DType::kF32: return convert<float>(bytes, out, plain);
    case DType::kF64: return convert<double>(bytes, out, plain);
    case DType::kF16: return convert<std::uint16_t>(bytes, out, half_to_float);
    case DType::kBF16: return convert<std::uint16_t>(bytes, out, bfloat16_to_float);
    case DType::kI8: return convert<std::int8_t>(bytes, out, plain);
    case DType::kI16: return convert<std::int16_t>(bytes, out, plain);
    case DType::kI32: return convert<std::int32_t>(bytes, out, plain);
    case DType::kI64: return convert<std::int64_t>(bytes, out, plain);
    case DType::kU16: return convert<std::uint16_t>(bytes, out, plain);
    case DType::kU32: return convert<std::uint32_t>(bytes, out, plain);
    case DType::kU64: return convert<std::uint64_t>(bytes, out, plain);
    case DType::kU8:
    case DType::kBool: return convert<std::uint8_t>(bytes, out, plain);
  }
}

}  // namespace resnet
