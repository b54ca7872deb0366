// Pools and arithmetic value by value of every instruction set against the reference.
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/kernels_test_support.h"
#include "kernels/quantize.h"

namespace resnet {
namespace {

void expect_near(const std::vector<float>& got, const std::vector<float>& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], tolerance) << "value " << i;
}

PoolShape random_pool(Random& random) {
  PoolShape s;
  s.batch = random.between(1, 3);
  s.channels = random.between(1, 70);
  s.kernel = random.between(1, 4);
  s.stride = random.between(1, 3);
  s.padding = random.between(0, s.kernel / 2);
  s.in_height = random.between(s.kernel, 20);
  s.in_width = random.between(s.kernel, 20);
  s.out_height = (s.in_height + 2 * s.padding - s.kernel) / s.stride + 1;
  s.out_width = (s.in_width + 2 * s.padding - s.kernel) / s.stride + 1;
  s.type = static_cast<ValueType>(random.between(0, 2));
  s.scale = 1.1F / static_cast<float>(s.in_height * s.in_width);
  s.offset = -10;
  return s;
}

// The whole output in up to three calls.
template <typename Pool>
std::vector<float> pooled(Pool pool, const PoolShape& s, const std::vector<std::byte>& in, Random& random) {
  const int rows = s.batch * s.out_height;
  const std::size_t values = static_cast<std::size_t>(rows) * s.out_width * padded_channels(s.channels);
  std::vector<std::byte> out(values * size_in_bytes(s.type), std::byte{0xFF});
  const int a = random.between(0, rows);
  const int b = random.between(a, rows);
  pool(s, in.data(), out.data(), b, rows);
  pool(s, in.data(), out.data(), a, b);
  pool(s, in.data(), out.data(), 0, a);
  return as_floats(out, s.type);
}

std::vector<float> globally_pooled(const Kernels& kernels, const PoolShape& s, const std::vector<std::byte>& in) {
  std::vector<std::byte> out(static_cast<std::size_t>(s.batch) * padded_channels(s.channels) * size_in_bytes(s.type));
  kernels.global_average_pool(s, in.data(), out.data(), 0, s.batch);
  return as_floats(out, s.type);
}

// Means of floats are those of the reference up to the roundings of their sums, and a bfloat16 may then be the next
// one; whole numbers are equal.
double tolerance(ValueType type, double floats) {
  return type == ValueType::kF32 ? floats : type == ValueType::kBf16 ? std::ldexp(1.0, -8) : 0;
}

class PropertyPool : public IsaTest {};
class Pool : public IsaTest {};
class PropertyElementwise : public IsaTest {};
class Convert : public IsaTest {};
RESNET_FOR_EVERY_FAST_ISA(PropertyPool);
RESNET_FOR_EVERY_FAST_ISA(Pool);
RESNET_FOR_EVERY_FAST_ISA(PropertyElementwise);
RESNET_FOR_EVERY_FAST_ISA(Convert);

TEST_P(PropertyPool, GivesTheReferencesAnswer) {
  Random random(1);
  const Kernels& kernels = kernels_for(GetParam());
  const Kernels& reference = reference_kernels();
  for (int i = 0; i < property_cases(300); ++i) {
    const PoolShape s = random_pool(random);
    const int pitch = padded_channels(s.channels);
    const std::vector<std::byte> in =
        stored(random.pixels(static_cast<std::size_t>(s.batch) * s.in_height * s.in_width, s.channels, pitch), s.type);
    SCOPED_TRACE("case " + std::to_string(i));
    EXPECT_EQ(pooled(kernels.max_pool, s, in, random), pooled(reference.max_pool, s, in, random));
    expect_near(pooled(kernels.average_pool, s, in, random), pooled(reference.average_pool, s, in, random),
                tolerance(s.type, 1e-6));
    expect_near(globally_pooled(kernels, s, in), globally_pooled(reference, s, in),
                tolerance(s.type, std::ldexp(s.in_height * s.in_width + 8, -24)));
    if (HasFailure()) return;
  }
}

TEST_P(PropertyPool, BlursAsTheReference) {
  Random random(3);
  for (int i = 0; i < property_cases(200); ++i) {
    PoolShape s = random_pool(random);
    s.type = ValueType::kF32;
    s.kernel = 3;
    s.padding = random.between(0, 2);
    s.in_height = random.between(3, 20);
    s.in_width = random.between(3, 20);
    s.out_height = (s.in_height + 2 * s.padding - s.kernel) / s.stride + 1;
    s.out_width = (s.in_width + 2 * s.padding - s.kernel) / s.stride + 1;
    const int pitch = padded_channels(s.channels);
    const auto in = random.pixels(static_cast<std::size_t>(s.batch) * s.in_height * s.in_width, s.channels, pitch);
    const int rows = s.batch * s.out_height;
    std::vector<float> got(static_cast<std::size_t>(rows) * s.out_width * pitch, 7);
    std::vector<float> want = got;
    const int middle = random.between(0, rows);
    kernels_for(GetParam()).blur(s, in.data(), got.data(), middle, rows);
    kernels_for(GetParam()).blur(s, in.data(), got.data(), 0, middle);
    reference_kernels().blur(s, in.data(), want.data(), 0, rows);
    SCOPED_TRACE("case " + std::to_string(i));
    expect_near(got, want, 1e-6);
    if (HasFailure()) return;
  }
}

// By hand: a ramp stays one inside, and at the edges what a mirror shows takes part.
TEST(Blur, WeighsAndReflects) {
  PoolShape s;
  s.channels = 1;
  s.in_height = 1 + 1;
  s.in_width = 4;
  s.out_height = s.in_height;
  s.out_width = s.in_width;
  s.kernel = 3;
  s.padding = 1;
  std::vector<float> in(static_cast<std::size_t>(8) * kChannelBlock), out(in.size());
  for (int i = 0; i < 8; ++i) in[static_cast<std::size_t>(i) * kChannelBlock] = static_cast<float>(i % 4);
  reference_kernels().blur(s, in.data(), out.data(), 0, 2);
  std::vector<float> first;
  for (int i = 0; i < 4; ++i) first.push_back(out[static_cast<std::size_t>(i) * kChannelBlock]);
  EXPECT_EQ(first, (std::vector<float>{0.5F, 1, 2, 2.5F}));
}

TEST_P(Pool, MaximumKeepsNaN) {
  PoolShape s;
  s.in_height = 2;
  s.out_height = 1;
  s.kernel = 2;
  s.padding = 1;
  s.out_width = 2;
  for (const std::size_t at : {0, kChannelBlock}) {
    std::vector<float> in(2 * kChannelBlock, 1);
    in[at] = NAN;
    s.out_height = 2;
    std::vector<float> out(4 * kChannelBlock);
    kernels_for(GetParam()).max_pool(s, in.data(), out.data(), 0, 2);
    EXPECT_TRUE(std::isnan(out[2 * kChannelBlock])) << "NaN at " << at;
    EXPECT_EQ(out[2 * kChannelBlock + 1], 1);
  }
}

TEST_P(PropertyElementwise, GivesTheReferencesAnswer) {
  Random random(2);
  const Kernels& kernels = kernels_for(GetParam());
  const Kernels& reference = reference_kernels();
  for (int i = 0; i < property_cases(200); ++i) {
    const bool relu = random.chance(0.5);
    const int channels = kChannelBlock * random.between(1, 5);
    const int pixels = random.between(1, 9);
    const std::size_t count = static_cast<std::size_t>(pixels) * channels;
    const std::vector<float> a = random.values(count);
    const std::vector<float> b = random.values(count);
    const std::vector<float> shift = random.values(channels);
    const auto begin = static_cast<std::size_t>(random.between(0, static_cast<int>(count)));
    const auto end = static_cast<std::size_t>(random.between(static_cast<int>(begin), static_cast<int>(count)));
    const int first = random.between(0, pixels);
    SCOPED_TRACE("case " + std::to_string(i));
    std::vector<float> got(count, 7);
    std::vector<float> want = got;
    kernels.add(a.data(), b.data(), got.data(), relu, begin, end);
    reference.add(a.data(), b.data(), want.data(), relu, begin, end);
    EXPECT_EQ(got, want);
    kernels.add(a.data(), nullptr, got.data(), relu, begin, end);
    reference.add(a.data(), nullptr, want.data(), relu, begin, end);
    EXPECT_EQ(got, want);
    kernels.scale_shift(a.data(), b.data(), shift.data(), got.data(), channels, relu, first, pixels);
    reference.scale_shift(a.data(), b.data(), shift.data(), want.data(), channels, relu, first, pixels);
    expect_near(got, want, 1e-6);
    if (HasFailure()) return;
  }
}

// Small values, and some beyond what the exponential function has numbers for; NaN stays.
TEST_P(PropertyElementwise, CurvesAreTheReferences) {
  std::vector<float> values = {NAN, 0, -0.0F, 1e-30F, -1e-30F, 3e38F, 100, -100, 1000, -1000, 88.5F, -88.5F};
  for (float value = -20; value <= 20; value += 0.0078125F) values.push_back(value);
  values.resize((values.size() + kChannelBlock - 1) / kChannelBlock * kChannelBlock);
  for (int curve = 0; curve <= 5; ++curve) {
    SCOPED_TRACE(curve);
    std::vector<float> got = values;
    std::vector<float> want = values;
    kernels_for(GetParam()).curve(static_cast<Curve>(curve), 0.1F, got.data(), kChannelBlock, values.size());
    kernels_for(GetParam()).curve(static_cast<Curve>(curve), 0.1F, got.data(), 0, kChannelBlock);
    reference_kernels().curve(static_cast<Curve>(curve), 0.1F, want.data(), 0, values.size());
    EXPECT_TRUE(std::isnan(got[0]) && std::isnan(want[0]));
    for (std::size_t i = 1; i < values.size(); ++i) {
      EXPECT_NEAR(got[i], want[i], 1e-6 * std::max(1.0F, std::abs(want[i]))) << "of " << values[i];
    }
  }
}

// Halves between two numbers, large and small ones, NaN, and every number of u8 and back.
TEST_P(Convert, GivesTheReferencesAnswer) {
  std::vector<float> values = {NAN, INFINITY, -INFINITY, 3e38F, -3e38F, 1e-40F, -0.0F, 8388609, 4194304.5F};
  for (float value = -300; value <= 300; value += 0.25F) values.push_back(value);
  values.resize((values.size() + kChannelBlock - 1) / kChannelBlock * kChannelBlock);
  const std::size_t count = values.size();
  for (const ValueFormat& format : {ValueFormat{ValueType::kU8, 1, 3}, ValueFormat{ValueType::kU8, 0.37F, 255},
                                    ValueFormat{ValueType::kU8, 2, 0}, ValueFormat{ValueType::kBf16}}) {
    const auto convert = [&](const Kernels& kernels) {
      std::vector<std::byte> stored(count * size_in_bytes(format.type));
      kernels.convert({}, values.data(), format, stored.data(), kChannelBlock, count);
      kernels.convert({}, values.data(), format, stored.data(), 0, kChannelBlock);
      std::vector<float> back(count);
      kernels.convert(format, stored.data(), {}, back.data(), 0, count);
      return back;
    };
    const std::vector<float> want = convert(reference_kernels());
    const std::vector<float> got = convert(kernels_for(GetParam()));
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_TRUE(got[i] == want[i] || (std::isnan(got[i]) && std::isnan(want[i])))
          << values[i] << " becomes " << got[i] << " instead of " << want[i];
    }
  }
}

TEST(Quantize, RoundsToNearestEvenAndCuts) {
  EXPECT_EQ(to_u8(0.5F), 0);
  EXPECT_EQ(to_u8(1.5F), 2);
  EXPECT_EQ(to_u8(2.5F), 2);
  EXPECT_EQ(to_u8(254.6F), 255);
  EXPECT_EQ(to_u8(1e30F), 255);
  EXPECT_EQ(to_u8(-1e30F), 0);
  EXPECT_EQ(to_u8(NAN), 0);
  EXPECT_EQ(quantize(-1, 2, 10), 8);
  EXPECT_EQ(quantize(-INFINITY, 2, 10), 0);
  EXPECT_EQ(dequantize(8, 0.5F, 10), -1);
}

}  // namespace
}  // namespace resnet
