// Every convolution of every instruction set against the reference, over random shapes: whole numbers exactly, floats
// within what their roundings add up to.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/buffer.h"
#include "kernels/kernels_test_support.h"

namespace resnet {
namespace {

std::string describe(const ConvShape& s) {
  const auto number = [](int value) { return std::to_string(value); };
  return number(s.batch) + "x" + number(s.in_channels) + "x" + number(s.in_height) + "x" + number(s.in_width) + " -> " +
         number(s.out_channels) + "x" + number(s.out_height) + "x" + number(s.out_width) + ", kernel " +
         number(s.kernel) + " stride " + number(s.stride) + " padding " + number(s.padding) + " dilation " +
         number(s.dilation) + " groups " + number(s.groups) + (s.dense_input ? " dense" : "") +
         (s.residual ? " residual" : "") + (s.relu ? " relu" : "") +
         (s.curve != Curve::kNone ? " curve " + number(static_cast<int>(s.curve)) : "") +
         (s.weights == WeightRule::kShort ? " short" : "") + " types " + number(static_cast<int>(s.in_type)) + " " +
         number(static_cast<int>(s.out_type));
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

void set_types(ConvShape& s, Random& random) {
  s.in_type = static_cast<ValueType>(random.between(0, 2));
  s.out_type = random.chance(0.3) ? ValueType::kF32 : s.in_type;
  if (s.in_type == ValueType::kU8 && random.chance(0.5)) s.weights = WeightRule::kShort;
}

// Some shapes end with another activation than ReLU.
void set_curve(ConvShape& s, Random& random) {
  if (!random.chance(0.2)) return;
  s.relu = false;
  s.curve = static_cast<Curve>(random.between(1, 5));
  s.negative_slope = 0.1F;
  s.out_type = ValueType::kF32;
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
    set_types(s, random);
    set_curve(s, random);
    if (!finish(s)) continue;
    const double work =
        static_cast<double>(output_pixels(s)) * s.out_channels * s.in_channels / s.groups * s.kernel * s.kernel;
    if (work < 2e6) return s;
  }
}

// Everything that a call reads.
struct Data {
  std::vector<std::byte> input, residual;
  std::vector<float> weights, bias, scale;
  ConvCall call;
};

int depth(const ConvShape& s) { return s.in_channels / s.groups * s.kernel * s.kernel; }

// Brings fours whose weights of one sign sum to more than 128 down to that, or a little less.
void shorten(const ConvShape& s, std::vector<float>& weights) {
  const int taps = s.kernel * s.kernel;
  const int group_in = s.in_channels / s.groups;
  for (int out = 0; out < s.out_channels; ++out) {
    float* own = weights.data() + static_cast<std::ptrdiff_t>(out) * depth(s);
    const int first = out / (s.out_channels / s.groups) * group_in;
    std::map<int, std::vector<float*>> fours;
    for (int i = 0; i < depth(s); ++i) {
      const int channel = first + i / taps;
      const int tap = i % taps;
      const int at = tap * 8 * ((s.in_channels + 7) / 8) + channel;
      fours[at / 8 * 2 + (at % 4 > 1 ? 1 : 0)].push_back(own + i);
    }
    for (const auto& [number, four] : fours) {
      for (const float sign : {1.0F, -1.0F}) {
        float sum = 0;
        for (const float* weight : four) sum += std::max(0.0F, sign * *weight);
        for (float* weight : four) {
          if (sum > 128 && sign * *weight > 0) *weight = std::trunc(*weight * 128 / sum);
        }
      }
    }
  }
}

Data random_data(const ConvShape& s, Random& random) {
  const int pitch = padded_channels(s.out_channels);
  Data data;
  data.input = stored(random.pixels(input_values(s) / input_pitch(s), s.in_channels, input_pitch(s)), s.in_type);
  data.residual = stored(random.pixels(output_pixels(s), s.out_channels, pitch), s.in_type);
  data.weights = random.values(static_cast<std::size_t>(s.out_channels) * depth(s));
  data.bias = random.pixels(1, s.out_channels, pitch);
  data.scale = random.pixels(1, s.out_channels, pitch);
  data.call.shape = s;
  if (s.in_type == ValueType::kU8) {  // most results lie between 0 and 255, but not all
    for (float& weight : data.weights) weight = std::round(weight * 127.4F);
    if (s.weights == WeightRule::kShort) shorten(s, data.weights);
    for (float& bias : data.bias) bias = 128 * bias + 100;
    for (float& scale : data.scale) scale *= 0.01F / std::sqrt(static_cast<float>(depth(s)));
    data.call.residual_scale = random.values(1)[0];
    data.call.zero_point = static_cast<std::uint8_t>(random.between(0, 255));
  }
  data.call.input = data.input.data();
  data.call.bias = data.bias.data();
  data.call.scale = data.scale.data();
  data.call.residual = s.residual ? data.residual.data() : nullptr;
  return data;
}

// Packed in as many parts as can be, the last one first.
AlignedBuffer<std::byte> pack_in_parts(const ConvAlgorithm& algorithm, const ConvShape& s,
                                       const std::vector<float>& weights) {
  AlignedBuffer<std::byte> packed(algorithm.packed_bytes(s));
  std::memset(packed.data(), 0xFF, packed.size());
  const int unit = algorithm.pack_unit(s);
  for (int begin = (s.out_channels - 1) / unit * unit; begin >= 0; begin -= unit) {
    const std::vector<float> own(weights.begin() + static_cast<std::ptrdiff_t>(begin) * depth(s),
                                 weights.begin() + std::min<std::ptrdiff_t>(begin + unit, s.out_channels) * depth(s));
    algorithm.pack(s, begin, std::min(begin + unit, s.out_channels), own.data(), packed.data());
  }
  return packed;
}

// The output as float32.
std::vector<float> compute(const ConvAlgorithm& algorithm, const Data& data, int threads) {
  ConvCall call = data.call;
  const ConvShape& s = call.shape;
  const AlignedBuffer<std::byte> packed = pack_in_parts(algorithm, s, data.weights);
  const std::size_t count = output_pixels(s) * padded_channels(s.out_channels);
  std::vector<std::byte> output(count * size_in_bytes(s.out_type), std::byte{0xFF});
  call.weights = packed.data();
  call.output = output.data();
  const int tasks = algorithm.tasks(s, threads);
  for (int task = tasks - 1; task >= 0; --task) {
    AlignedBuffer<std::byte> scratch(algorithm.scratch_bytes(s));
    if (scratch.size() > 0) std::memset(scratch.data(), 0xFF, scratch.size());  // NaN: nothing may be assumed
    algorithm.run(call, task, tasks, scratch.data());
  }
  return as_floats(output, s.out_type);
}

// Inputs and weights lie between -1 and 1, so a partial sum of k products is about sqrt(k) / 3, seldom three times
// that, and the errors of K roundings to it add up to about 0.4 u K (u the unit roundoff); ten times that is allowed.
// Winograd's transforms make more of errors (docs/engine.md), which shows where sums are short. A bfloat16 that lies
// near the middle of two others may be rounded either way. Where Winograd's transformed values are rounded to bfloat16,
// errors are 0.0014 sqrt(k) in root mean square (found by simulation); seven times that is allowed, and a little more
// where sums are short.
void expect_close(const ConvAlgorithm& algorithm, const ConvShape& s, const std::vector<float>& got,
                  const std::vector<float>& want) {
  ASSERT_EQ(got.size(), want.size());
  const double least = algorithm.family == ConvFamily::kDirect ? 8 : 80;
  const bool rounded = s.in_type == ValueType::kBf16 && algorithm.family == ConvFamily::kWinograd;
  const double tolerance = s.in_type == ValueType::kU8 ? 0
                           : rounded                   ? 0.01 * std::sqrt(depth(s) + 27)
                                                       : std::ldexp(depth(s) + least, -22);
  // Curves are as steep as 1.5, and err a little themselves.
  const double curved = s.curve == Curve::kNone ? 0 : tolerance / 2 + 1e-6;
  const double curved_relative = s.curve == Curve::kNone ? 0 : 1e-6;
  const double relative = s.out_type == ValueType::kBf16 ? std::ldexp(1.0, -7) : 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_LE(std::abs(static_cast<double>(got[i]) - want[i]),
              tolerance + curved + (relative + curved_relative) * std::abs(want[i]))
        << "value " << i << " of " << got.size();
  }
}

const ConvAlgorithm& reference_for(const ConvShape& s) {
  for (const ConvAlgorithm& algorithm : reference_kernels().convs) {
    if (algorithm.refuse(s) == Refusal::kNone) return algorithm;
  }
  std::abort();
}

// Of those that take the shape.
void expect_reference(std::span<const ConvAlgorithm> algorithms, const ConvShape& s, Random& random) {
  SCOPED_TRACE(describe(s));
  const Data data = random_data(s, random);
  std::vector<float> want;
  for (const ConvAlgorithm& algorithm : algorithms) {
    if (algorithm.refuse(s) != Refusal::kNone) continue;
    if (want.empty()) want = compute(reference_for(s), data, 1);
    const int threads = random.between(1, 5);
    SCOPED_TRACE(std::string(algorithm.name) + ", " + std::to_string(threads) + " threads");
    const std::vector<float> got = compute(algorithm, data, threads);
    ASSERT_NO_FATAL_FAILURE(expect_close(algorithm, s, got, want));
    if (keeps_bits(algorithm) && (threads == 3 || threads == 5)) {
      const std::vector<float> alone = compute(algorithm, data, 1);
      ASSERT_EQ(std::memcmp(alone.data(), got.data(), got.size() * sizeof(float)), 0) << "other tasks, other bits";
    }
  }
}

// Every fast table, and the algorithms over emulated vectors.
class PropertyConv : public IsaTest {
 protected:
  std::span<const ConvAlgorithm> convs() const { return kernels_for(GetParam()).convs; }
};
RESNET_FOR_EVERY_FAST_ISA(PropertyConv);

void try_shapes(std::span<const ConvAlgorithm> algorithms) {
  Random random(1);
  for (int i = 0; i < property_cases(500); ++i) {
    ASSERT_NO_FATAL_FAILURE(expect_reference(algorithms, random_shape(random), random)) << "case " << i;
  }
}
TEST_P(PropertyConv, EveryAlgorithmGivesTheReferencesAnswer) { try_shapes(convs()); }
TEST(PropertyEmulatedConv, EveryAlgorithmGivesTheReferencesAnswer) { try_shapes(emulated_convs()); }

// What Winograd takes, 3x3 with stride 1 and stems of 7x7 with stride 2: every size, with windows that hang over and
// blocks that end early.
void try_winograd(std::span<const ConvAlgorithm> algorithms) {
  Random random(4);
  for (int i = 0; i < property_cases(350); ++i) {
    ConvShape s;
    s.dense_input = random.chance(0.3);
    s.kernel = s.dense_input ? 7 : 3;
    s.stride = s.dense_input ? 2 : 1;
    do {
      s.batch = random.between(1, 4);
      s.in_height = random.between(1, random.chance(0.2) ? 65 : 19);
      s.in_width = random.between(1, random.chance(0.2) ? 65 : 19);
      s.padding = random.chance(0.7) ? s.kernel / 2 : random.between(0, 8);
      s.in_channels = s.dense_input ? random.between(1, 15) : random.between(1, random.chance(0.2) ? 600 : 70);
      s.out_channels = random.between(1, random.chance(0.3) ? 100 : 40);
      s.residual = random.chance(0.5);
      s.relu = random.chance(0.5);
      s.in_type = random.chance(0.5) ? ValueType::kF32 : ValueType::kBf16;
      s.out_type = random.chance(0.3) ? ValueType::kF32 : s.in_type;
      s.curve = Curve::kNone;
      set_curve(s, random);
    } while (!finish(s) || static_cast<double>(output_pixels(s)) * s.out_channels * depth(s) > 5e6);
    ASSERT_NO_FATAL_FAILURE(expect_reference(algorithms, s, random)) << "case " << i;
  }
}
TEST_P(PropertyConv, WinogradGivesTheReferencesAnswer) { try_winograd(convs()); }
TEST(PropertyEmulatedConv, WinogradGivesTheReferencesAnswer) { try_winograd(emulated_convs()); }

// 1x1 convolutions whose channels halve, which Strassen's algorithm takes: blocks of pixels and channels that end
// early.
void try_strassen(std::span<const ConvAlgorithm> algorithms) {
  Random random(6);
  for (int i = 0; i < property_cases(200); ++i) {
    ConvShape s;
    do {
      s.batch = random.between(1, 3);
      s.in_height = random.between(1, 17);
      s.in_width = random.between(1, random.chance(0.2) ? 65 : 17);
      s.stride = random.between(1, 3);
      s.in_channels = 32 * random.between(1, random.chance(0.3) ? 40 : 6) - random.between(0, 15);
      s.out_channels = 32 * random.between(1, 6) - random.between(0, 15);
      s.residual = random.chance(0.5);
      s.relu = random.chance(0.5);
      s.curve = Curve::kNone;
      set_curve(s, random);
    } while (!finish(s) || static_cast<double>(output_pixels(s)) * s.out_channels * depth(s) > 5e6);
    ASSERT_NO_FATAL_FAILURE(expect_reference(algorithms, s, random)) << "case " << i;
  }
}
TEST_P(PropertyConv, StrassenGivesTheReferencesAnswer) { try_strassen(convs()); }
TEST(PropertyEmulatedConv, StrassenGivesTheReferencesAnswer) { try_strassen(emulated_convs()); }

// Shapes as networks have them, with smaller pictures: groups, long inner dimensions, the classifier, the stems.
void try_networks(std::span<const ConvAlgorithm> algorithms) {
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
    for (const ValueType type : {ValueType::kF32, ValueType::kBf16, ValueType::kU8}) {
      s.in_type = s.out_type = type;
      ASSERT_NO_FATAL_FAILURE(expect_reference(algorithms, s, random));
    }
    s.weights = WeightRule::kShort;
    ASSERT_NO_FATAL_FAILURE(expect_reference(algorithms, s, random));
  }
}
TEST_P(PropertyConv, ShapesOfNetworks) { try_networks(convs()); }
TEST(PropertyEmulatedConv, ShapesOfNetworks) { try_networks(emulated_convs()); }

class ConvTable : public IsaTest {};
RESNET_FOR_EVERY_ISA(ConvTable);

TEST_P(ConvTable, TakesEveryShapeOfItsTypes) {
  const Kernels& kernels = kernels_for(GetParam());
  EXPECT_EQ(kernels.isa, GetParam());
  Random random(3);
  for (int i = 0; i < 1000; ++i) {
    const ConvShape s = random_shape(random);
    const bool taken = std::any_of(kernels.convs.begin(), kernels.convs.end(), [&](const ConvAlgorithm& algorithm) {
      return algorithm.refuse(s) == Refusal::kNone;
    });
    EXPECT_EQ(taken, kernels.multiplies(s.in_type)) << describe(s);
  }
  EXPECT_TRUE(kernels.multiplies(ValueType::kF32) && kernels.multiplies(ValueType::kU8));
}

TEST_P(ConvTable, NaNPassesThroughRelu) {
  const float nan = NAN;
  for (const ValueType type : {ValueType::kF32, ValueType::kBf16}) {
    Random random(4);
    ConvShape s;
    s.relu = true;
    s.in_type = s.out_type = type;
    Data data = random_data(s, random);
    reference_kernels().convert({}, &nan, {type}, data.input.data(), 0, 1);
    for (const ConvAlgorithm& algorithm : kernels_for(GetParam()).convs) {
      if (algorithm.refuse(s) != Refusal::kNone) continue;
      EXPECT_TRUE(std::isnan(compute(algorithm, data, 1)[0])) << algorithm.name;
    }
  }
}

// The largest sums of whole numbers: no pair of products, and no sum of a network's longest window, may saturate.
void try_largest_numbers(std::span<const ConvAlgorithm> algorithms) {
  for (const float weight : {-128.0F, 127.0F, -32.0F, 32.0F}) {
    Random random(5);
    ConvShape s;
    if (std::abs(weight) == 32) s.weights = WeightRule::kShort;  // four of them sum to 128
    s.in_channels = 512;
    s.kernel = 3;
    s.padding = 1;
    s.in_type = ValueType::kU8;
    Data data = random_data(s, random);
    std::fill(data.input.begin(), data.input.end(), std::byte{255});
    std::fill(data.weights.begin(), data.weights.end(), weight);
    data.call.zero_point = 255;
    data.scale[0] = 1;
    data.bias[0] = 0;
    const float exact = 512 * 9 * 255 * weight;
    for (const ConvAlgorithm& algorithm : algorithms) {
      if (algorithm.refuse(s) != Refusal::kNone) continue;
      EXPECT_EQ(compute(algorithm, data, 1)[0], exact) << algorithm.name;
    }
  }
}
TEST_P(ConvTable, LargestNumbersDoNotSaturate) { try_largest_numbers(kernels_for(GetParam()).convs); }
TEST(EmulatedConv, LargestNumbersDoNotSaturate) { try_largest_numbers(emulated_convs()); }

}  // namespace
}  // namespace resnet
