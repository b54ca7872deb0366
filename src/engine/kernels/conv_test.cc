// Every convolution of every instruction set against the reference, over random shapes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/buffer.h"
#include "engine/kernels/kernels_test_support.h"

namespace resnet {
namespace {

std::string describe(const ConvShape& s) {
  const auto number = [](int value) { return std::to_string(value); };
  return number(s.batch) + "x" + number(s.in_channels) + "x" + number(s.in_height) + "x" + number(s.in_width) + " -> " +
         number(s.out_channels) + "x" + number(s.out_height) + "x" + number(s.out_width) + ", kernel " +
         number(s.kernel) + " stride " + number(s.stride) + " padding " + number(s.padding) + " dilation " +
         number(s.dilation) + " groups " + number(s.groups) + (s.dense_input ? " dense" : "") +
         (s.residual ? " residual" : "") + (s.relu ? " relu" : "");
}

std::size_t input_values(const ConvShape& s) {
  return static_cast<std::size_t>(s.batch) * s.in_height * s.in_width * input_pitch(s);
}
std::size_t output_pixels(const ConvShape& s) { return static_cast<std::size_t>(s.batch) * s.out_height * s.out_width; }

// Sets the output's size; false where no window fits.
bool finish(ConvShape& s) {
  const int reach = s.dilation * (s.kernel - 1) + 1;
  if (s.in_height + 2 * s.padding < reach || s.in_width + 2 * s.padding < reach) return false;
  s.out_height = (s.in_height + 2 * s.padding - reach) / s.stride + 1;
  s.out_width = (s.in_width + 2 * s.padding - reach) / s.stride + 1;
  return true;
}

ConvShape random_shape(Random& random) {
  constexpr int kKernels[] = {1, 1, 3, 3, 3, 2, 5, 7};
  for (;;) {
    ConvShape s;
    s.batch = random.between(1, 3);
    s.in_height = random.between(1, random.chance(0.2) ? 65 : 17);
    s.in_width = random.between(1, random.chance(0.2) ? 65 : 17);
    s.kernel = kKernels[random.between(0, 7)];
    s.stride = random.between(1, 3);
    s.padding = random.between(0, s.kernel);
    s.dilation = random.chance(0.2) ? random.between(2, 3) : 1;
    if (random.chance(0.3)) {
      s.groups = random.between(1, 9);
      s.in_channels = s.groups * random.between(1, random.chance(0.3) ? 40 : 8);
      s.out_channels = s.groups * (random.chance(0.6) ? s.in_channels / s.groups : random.between(1, 20));
    } else {
      s.in_channels = random.between(1, random.chance(0.3) ? 200 : 40);
      s.out_channels = random.between(1, random.chance(0.3) ? 200 : 40);
    }
    s.dense_input = random.chance(0.3);
    s.residual = random.chance(0.5);
    s.relu = random.chance(0.5);
    if (!finish(s)) continue;
    const double work =
        static_cast<double>(output_pixels(s)) * s.out_channels * s.in_channels / s.groups * s.kernel * s.kernel;
    if (work < 2e6) return s;
  }
}

std::vector<float> compute(const ConvAlgorithm& algorithm, ConvCall call, const std::vector<float>& weights,
                           int threads) {
  const ConvShape& s = call.shape;
  AlignedBuffer<std::byte> packed(algorithm.packed_bytes(s));
  algorithm.pack(s, weights.data(), packed.data());
  std::vector<float> output(output_pixels(s) * padded_channels(s.out_channels), NAN);
  call.weights = packed.data();
  call.output = output.data();
  const int tasks = algorithm.tasks(s, threads);
  for (int task = tasks - 1; task >= 0; --task) {
    AlignedBuffer<std::byte> scratch(algorithm.scratch_bytes(s));
    if (scratch.size() > 0) std::memset(scratch.data(), 0xFF, scratch.size());  // NaN: nothing may be assumed
    algorithm.run(call, task, tasks, scratch.data());
  }
  return output;
}

// Inputs and weights lie between -1 and 1, so a partial sum of k products is about sqrt(k) / 3, seldom three times
// that, and the errors of K roundings to it add up to about 0.4 u K (u the unit roundoff); ten times that is allowed.
void expect_close(const std::vector<float>& got, const std::vector<float>& want, double depth) {
  ASSERT_EQ(got.size(), want.size());
  const double tolerance = std::ldexp(depth + 8, -22);
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_LE(std::abs(static_cast<double>(got[i]) - want[i]), tolerance) << "value " << i << " of " << got.size();
  }
}

void expect_reference(const ConvShape& s, Random& random) {
  SCOPED_TRACE(describe(s));
  const int depth = s.in_channels / s.groups * s.kernel * s.kernel;
  const std::vector<float> input = random.pixels(input_values(s) / input_pitch(s), s.in_channels, input_pitch(s));
  const std::vector<float> weights = random.values(static_cast<std::size_t>(s.out_channels) * depth);
  const std::vector<float> bias = random.pixels(1, s.out_channels, padded_channels(s.out_channels));
  const std::vector<float> residual = random.pixels(output_pixels(s), s.out_channels, padded_channels(s.out_channels));
  ConvCall call;
  call.shape = s;
  call.input = input.data();
  call.bias = bias.data();
  call.residual = s.residual ? residual.data() : nullptr;
  const std::vector<float> want = compute(reference_kernels().convs.back(), call, weights, 1);
  for (const Kernels* kernels : fast_kernels()) {
    for (const ConvAlgorithm& algorithm : kernels->convs) {
      if (algorithm.refuse(s) != nullptr) continue;
      const int threads = random.between(1, 5);
      SCOPED_TRACE(std::string(kernels->name) + " " + algorithm.name + ", " + std::to_string(threads) + " threads");
      ASSERT_NO_FATAL_FAILURE(expect_close(compute(algorithm, call, weights, threads), want, depth));
    }
  }
}

TEST(PropertyConv, EveryAlgorithmGivesTheReferencesAnswer) {
  Random random(1);
  for (int i = 0; i < property_cases(250); ++i) {
    ASSERT_NO_FATAL_FAILURE(expect_reference(random_shape(random), random)) << "case " << i;
  }
}

// Shapes as networks have them, with smaller pictures: groups, long inner dimensions, the classifier, the stems.
TEST(PropertyConv, ShapesOfNetworks) {
  Random random(2);
  struct Case {
    int in, out, size, kernel, stride, groups, dilation;
    bool dense;
  };
  constexpr Case kCases[] = {
      {3, 64, 30, 7, 2, 1, 1, true},       {1, 64, 30, 7, 2, 1, 1, true},     {4, 64, 30, 7, 2, 1, 1, true},
      {12, 32, 9, 7, 2, 1, 1, true},       {3, 32, 21, 3, 2, 1, 1, true},     {3, 16, 32, 3, 1, 1, 1, true},
      {128, 128, 7, 3, 1, 32, 1, false},   {256, 256, 6, 3, 2, 32, 1, false}, {512, 512, 4, 3, 1, 32, 1, false},
      {1024, 1024, 2, 3, 1, 32, 1, false}, {512, 512, 3, 3, 1, 8, 1, false},  {256, 256, 3, 3, 1, 64, 1, false},
      {512, 64, 7, 3, 1, 1, 2, false},     {64, 512, 7, 1, 2, 1, 1, false},   {2048, 1000, 1, 1, 1, 1, 1, false},
      {1024, 48, 5, 3, 1, 1, 4, false},
  };
  for (const Case& c : kCases) {
    ConvShape s;
    s.batch = 2;
    s.in_channels = c.in;
    s.out_channels = c.out;
    s.in_height = s.in_width = c.size;
    s.kernel = c.kernel;
    s.stride = c.stride;
    s.groups = c.groups;
    s.dilation = c.dilation;
    s.padding = c.kernel / 2 * c.dilation;
    s.dense_input = c.dense;
    s.residual = s.relu = true;
    ASSERT_TRUE(finish(s));
    ASSERT_NO_FATAL_FAILURE(expect_reference(s, random));
  }
}

TEST(Conv, TheLastAlgorithmTakesEveryShape) {
  Random random(3);
  for (const Kernels* kernels : fast_kernels()) {
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(kernels->convs.back().refuse(random_shape(random)), nullptr);
  }
}

TEST(Conv, NaNPassesThroughRelu) {
  ConvShape s;
  s.relu = true;
  const std::vector<float> input(kChannelBlock, NAN);
  const std::vector<float> bias(kChannelBlock, 0);
  ConvCall call;
  call.shape = s;
  call.input = input.data();
  call.bias = bias.data();
  for (const Kernels* kernels : fast_kernels()) {
    EXPECT_TRUE(std::isnan(compute(kernels->convs.back(), call, {1}, 1)[0])) << kernels->name;
  }
}

}  // namespace
}  // namespace resnet
