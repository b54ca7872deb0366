// Pools and sums of every instruction set against the reference.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/kernels/kernels_test_support.h"

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
  return s;
}

// The whole output in up to three calls.
template <typename Pool>
std::vector<float> pooled(Pool pool, const PoolShape& s, const std::vector<float>& in, Random& random) {
  const int rows = s.batch * s.out_height;
  std::vector<float> out(static_cast<std::size_t>(rows) * s.out_width * padded_channels(s.channels), NAN);
  const int a = random.between(0, rows);
  const int b = random.between(a, rows);
  pool(s, in.data(), out.data(), b, rows);
  pool(s, in.data(), out.data(), a, b);
  pool(s, in.data(), out.data(), 0, a);
  return out;
}

TEST(PropertyPool, GivesTheReferencesAnswer) {
  Random random(1);
  const Kernels& reference = reference_kernels();
  for (int i = 0; i < property_cases(200); ++i) {
    const PoolShape s = random_pool(random);
    const int pitch = padded_channels(s.channels);
    const std::vector<float> in =
        random.pixels(static_cast<std::size_t>(s.batch) * s.in_height * s.in_width, s.channels, pitch);
    for (const Kernels* kernels : fast_kernels()) {
      SCOPED_TRACE(std::string(kernels->name) + ", case " + std::to_string(i));
      EXPECT_EQ(pooled(kernels->max_pool, s, in, random), pooled(reference.max_pool, s, in, random));
      expect_near(pooled(kernels->average_pool, s, in, random), pooled(reference.average_pool, s, in, random), 1e-6);

      const int pixels = s.in_height * s.in_width;
      std::vector<float> got(static_cast<std::size_t>(s.batch) * pitch, NAN);
      std::vector<float> want = got;
      kernels->global_average_pool(s, in.data(), got.data(), 0, s.batch);
      reference.global_average_pool(s, in.data(), want.data(), 0, s.batch);
      expect_near(got, want, std::ldexp(pixels + 8, -24));
      if (HasFailure()) return;
    }
  }
}

TEST(Pool, MaximumKeepsNaN) {
  PoolShape s;
  s.in_height = 2;
  s.out_height = 1;
  s.kernel = 2;
  s.padding = 1;
  s.out_width = 2;
  for (const Kernels* kernels : fast_kernels()) {
    for (const std::size_t at : {0, kChannelBlock}) {
      std::vector<float> in(2 * kChannelBlock, 1);
      in[at] = NAN;
      s.out_height = 2;
      std::vector<float> out(4 * kChannelBlock);
      kernels->max_pool(s, in.data(), out.data(), 0, 2);
      EXPECT_TRUE(std::isnan(out[2 * kChannelBlock])) << kernels->name << ", NaN at " << at;
      EXPECT_EQ(out[2 * kChannelBlock + 1], 1) << kernels->name;
    }
  }
}

TEST(PropertyElementwise, GivesTheReferencesAnswer) {
  Random random(2);
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
    for (const Kernels* kernels : fast_kernels()) {
      SCOPED_TRACE(std::string(kernels->name) + ", case " + std::to_string(i));
      std::vector<float> got(count, 7);
      std::vector<float> want = got;
      kernels->add(a.data(), b.data(), got.data(), relu, begin, end);
      reference.add(a.data(), b.data(), want.data(), relu, begin, end);
      EXPECT_EQ(got, want);
      kernels->add(a.data(), nullptr, got.data(), relu, begin, end);
      reference.add(a.data(), nullptr, want.data(), relu, begin, end);
      EXPECT_EQ(got, want);
      kernels->scale_shift(a.data(), b.data(), shift.data(), got.data(), channels, relu, first, pixels);
      reference.scale_shift(a.data(), b.data(), shift.data(), want.data(), channels, relu, first, pixels);
      expect_near(got, want, 1e-6);
      if (HasFailure()) return;
    }
  }
}

TEST(Spin, CountsItsOperations) {
  for (const Kernels* kernels : fast_kernels()) EXPECT_GT(kernels->spin(10), 100) << kernels->name;
}

}  // namespace
}  // namespace resnet
