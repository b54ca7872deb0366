#include "tensor/finite.h"

#include <algorithm>
#include <cstring>

namespace resnet {
namespace {

constexpr std::size_t kBlock = 1024;  // values, of which the compiler makes vectors

template <typename T, typename IsNonfinite>
std::int64_t count(std::span<const std::byte> bytes, IsNonfinite is_nonfinite) noexcept {
  std::int64_t total = 0;
  const auto add = [&](const std::byte* from, std::size_t values) {
    T sum = 0;  // of the width of the values, so that vectors have as many of both
    for (std::size_t i = 0; i < values; ++i) {
      T value;
      std::memcpy(&value, from + i * sizeof(T), sizeof(T));
      sum = static_cast<T>(sum + (is_nonfinite(value) ? 1 : 0));
    }
    total += static_cast<std::int64_t>(sum);
  };
  const std::size_t values = bytes.size() / sizeof(T);
  std::size_t at = 0;
  for (; at + kBlock <= values; at += kBlock) add(bytes.data() + at * sizeof(T), kBlock);
  add(bytes.data() + at * sizeof(T), values - at);
  return total;
}

}  // namespace

// All bits of the exponent are set in infinities and NaN. As integers, the absolute values of floating-point numbers
// stand in their order.
std::int64_t count_nonfinite(DType type, std::span<const std::byte> bytes) noexcept {
  constexpr std::uint64_t kRoundsToInfinity = 0x47EF'FFFF'F000'0000;  // (2 - 2^-24) * 2^127
  switch (type) {
    case DType::kF32:
      return count<std::uint32_t>(bytes, [](std::uint32_t bits) { return (bits & 0x7F80'0000) == 0x7F80'0000; });
    case DType::kBF16: return count<std::uint16_t>(bytes, [](std::uint16_t bits) { return (bits & 0x7F80) == 0x7F80; });
    case DType::kF16: return count<std::uint16_t>(bytes, [](std::uint16_t bits) { return (bits & 0x7C00) == 0x7C00; });
    case DType::kF64:
      return count<std::uint64_t>(bytes, [](std::uint64_t bits) { return (bits & INT64_MAX) >= kRoundsToInfinity; });
    default: return 0;
  }
}

}  // namespace resnet
