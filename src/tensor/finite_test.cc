#include "tensor/finite.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/bfloat16.h"
#include "tensor/convert.h"

namespace resnet {
namespace {

template <typename T>
std::int64_t count(DType type, const std::vector<T>& values) {
  return count_nonfinite(type, std::as_bytes(std::span(values)));
}

// Every value of 16 bits is held to what it is as a float.
TEST(FiniteTest, KnowsEveryHalfAndBfloat16) {
  for (const DType type : {DType::kF16, DType::kBF16}) {
    for (std::uint32_t bits = 0; bits < 65536; ++bits) {
      const auto value = static_cast<std::uint16_t>(bits);
      const float real = type == DType::kF16 ? half_to_float(value) : bfloat16_to_float(value);
      ASSERT_EQ(count(type, std::vector{value}), std::isfinite(real) ? 0 : 1) << name(type) << " " << bits;
    }
  }
}

TEST(FiniteTest, KnowsFloats) {
  using Limits = std::numeric_limits<float>;
  EXPECT_EQ(count(DType::kF32, std::vector{0.0F, -0.0F, Limits::max(), -Limits::max(), Limits::denorm_min()}), 0);
  const float odd_nan = std::bit_cast<float>(0x7F800001U);
  EXPECT_EQ(count(DType::kF32, std::vector{Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN(), odd_nan,
                                           -Limits::quiet_NaN(), 1.0F}),
            5);
}

TEST(FiniteTest, KnowsDoublesThatAreNoFloats) {
  const double largest = std::numeric_limits<float>::max();
  const double first_infinite = (2 - std::ldexp(1, -24)) * std::ldexp(1, 127);
  const double last_finite = std::nextafter(first_infinite, 0);
  ASSERT_TRUE(std::isinf(static_cast<float>(first_infinite)));
  ASSERT_EQ(static_cast<float>(last_finite), std::numeric_limits<float>::max());
  EXPECT_EQ(count(DType::kF64, std::vector{0.0, -largest, last_finite, -last_finite, 5e-324}), 0);
  EXPECT_EQ(count(DType::kF64, std::vector{first_infinite, -first_infinite, 1e300,
                                           std::numeric_limits<double>::infinity(), std::nan(""), -std::nan("")}),
            6);
}

TEST(FiniteTest, WholeNumbersAreFinite) {
  const std::vector<std::uint8_t> bytes(64, 0xFF);
  for (const DType type : {DType::kI8, DType::kI16, DType::kI32, DType::kI64, DType::kU8, DType::kU16, DType::kU32,
                           DType::kU64, DType::kBool}) {
    EXPECT_EQ(count(type, bytes), 0) << name(type);
  }
}

// Each place of vectors, blocks and what is left of them; more of them than a block has; no alignment.
TEST(FiniteTest, CountsWhereverTheyStand) {
  constexpr std::size_t kCount = 2500;
  std::vector<std::byte> memory(kCount * sizeof(float) + 1);
  const std::span<std::byte> bytes = std::span(memory).subspan(1);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (std::size_t i = 0; i < kCount; ++i) {
    std::fill(memory.begin(), memory.end(), std::byte{0});
    std::memcpy(&bytes[i * sizeof(float)], &nan, sizeof(nan));
    ASSERT_EQ(count_nonfinite(DType::kF32, bytes), 1) << i;
    ASSERT_EQ(count_nonfinite(DType::kF32, bytes.first(i * sizeof(float))), 0) << i;
  }
  EXPECT_EQ(count(DType::kF32, std::vector<float>(kCount, nan)), static_cast<std::int64_t>(kCount));
  EXPECT_EQ(count(DType::kF16, std::vector<std::uint16_t>(200'000, 0x7C00)), 200'000);
  EXPECT_EQ(count(DType::kF32, std::vector<float>()), 0);
}

}  // namespace
}  // namespace resnet
