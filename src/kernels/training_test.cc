// The training kernels: of every instruction set against plain C++, over random shapes; and the gradients of plain C++
// against finite differences of what they are the gradients of, in double precision.
#include <gtest/gtest.h>

#include <functional>

#include "kernels/generic/training_ref.h"
#include "kernels/kernels_test_support.h"

namespace resnet {
namespace {

using Values = std::vector<double>;

Values random_doubles(Random& random, std::size_t count) {
  const std::vector<float> values = random.values(count);
  return {values.begin(), values.end()};
}

double dot(const Values& a, const Values& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// The gradient of `loss` at `at`, one value after another.
Values finite_differences(const std::function<double(const Values&)>& loss, Values at) {
  constexpr double kStep = 1e-6;
  Values gradient(at.size());
  for (std::size_t i = 0; i < at.size(); ++i) {
    const double value = at[i];
    at[i] = value + kStep;
    const double above = loss(at);
    at[i] = value - kStep;
    gradient[i] = (above - loss(at)) / (2 * kStep);
    at[i] = value;
  }
  return gradient;
}

void expect_near(const Values& got, const Values& want, double tolerance, const std::string& what) {
  ASSERT_EQ(got.size(), want.size());
  double largest = 1;
  for (const double value : want) largest = std::max(largest, std::abs(value));
  for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], tolerance * largest) << what << " at " << i;
}

Values widened(const std::vector<float>& values) { return {values.begin(), values.end()}; }

// A convolution that the graph may have; its window reaches no further than the padding lets its gradient be one.
ConvShape random_conv(Random& random) {
  constexpr int kKernels[] = {1, 1, 3, 3, 2, 5, 7};
  for (;;) {
    ConvShape s;
    s.batch = random.between(1, 3);
    s.kernel = kKernels[random.between(0, 6)];
    s.stride = random.between(1, 3);
    s.dilation = random.chance(0.3) ? 2 : 1;
    s.padding = random.between(0, s.dilation * (s.kernel - 1));
    s.groups = random.chance(0.3) ? random.between(2, 4) : 1;
    const bool aligned = random.chance(0.3);
    s.in_channels = s.groups * (aligned ? 16 * random.between(1, 3) : random.between(1, 20));
    s.out_channels = s.groups * (aligned ? 16 * random.between(1, 5) : random.between(1, 40));
    s.dense_input = s.groups == 1 && random.chance(0.2);
    s.in_height = random.between(1, 12);
    s.in_width = random.between(1, 12);
    const int reach = s.dilation * (s.kernel - 1) + 1;
    if (s.in_height + 2 * s.padding < reach || s.in_width + 2 * s.padding < reach) continue;
    s.out_height = (s.in_height + 2 * s.padding - reach) / s.stride + 1;
    s.out_width = (s.in_width + 2 * s.padding - reach) / s.stride + 1;
    return s;
  }
}

std::string describe(const ConvShape& s) {
  std::string text;
  for (const int value : {s.batch, s.in_channels, s.in_height, s.in_width, s.out_channels, s.kernel, s.stride,
                          s.padding, s.dilation, s.groups, static_cast<int>(s.dense_input)}) {
    text += std::to_string(value) + " ";
  }
  return "batch, in, height, width, out, kernel, stride, padding, dilation, groups, dense: " + text;
}

std::int64_t pixels_in(const ConvShape& s) { return std::int64_t{s.batch} * s.in_height * s.in_width; }
std::int64_t pixels_out(const ConvShape& s) { return std::int64_t{s.batch} * s.out_height * s.out_width; }
std::int64_t weights_of(const ConvShape& s) {
  return std::int64_t{s.out_channels} * s.in_channels / s.groups * s.kernel * s.kernel;
}

struct ConvValues {
  std::vector<float> input, weights, gradient;
  ConvValues(const ConvShape& s, Random& random)
      : input(random.pixels(pixels_in(s), s.in_channels, input_pitch(s))),
        weights(random.values(weights_of(s))),
        gradient(random.pixels(pixels_out(s), s.out_channels, padded_channels(s.out_channels))) {}
};

// All of a weight's gradient, by its parts, collected in two halves onto ones.
std::vector<float> weight_gradient(const TrainingKernels& kernels, const ConvShape& s, const ConvValues& values) {
  const WeightGradientParts parts = weight_gradient_parts(s);
  std::vector<float> sums(parts.pixels * weight_gradient_values(s), NAN);
  const WeightGradientCall all = {s, values.input.data(), values.gradient.data(), 0, 0, 0, 0, sums.data()};
  for (int part = 0; part < parts.count(); ++part) kernels.weight_gradient(weight_gradient_part(all, parts, part));
  std::vector<float> gradient(weights_of(s), 1);
  const int middle = s.out_channels / 32 * 16;
  collect_weight_gradient(s, sums.data(), parts.pixels, 0, middle, gradient.data());
  collect_weight_gradient(s, sums.data(), parts.pixels, middle, s.out_channels, gradient.data());
  for (float& value : gradient) value -= 1;
  return gradient;
}

// By the reference's convolution with turned weights.
std::vector<float> input_gradient(const ConvShape& s, const ConvValues& values) {
  const ConvShape turned = input_gradient_shape(s);
  std::vector<float> weights(values.weights.size());
  turn_weights(s, values.weights.data(), 0, s.in_channels / 2, weights.data());
  turn_weights(s, values.weights.data(), s.in_channels / 2, s.in_channels, weights.data());
  const int pitch = padded_channels(s.in_channels);
  std::vector<float> spread(std::size_t{1} * s.batch * turned.in_height * turned.in_width *
                            padded_channels(s.out_channels));
  std::vector<float> result(pixels_in(s) * pitch);
  const SpreadShape before = {s.out_channels, s.stride, s.out_height, s.out_width, turned.in_height, turned.in_width};
  if (s.kernel > 1) {
    spread_gradient(before, values.gradient.data(), spread.data(), false, 0, s.batch);
  } else {
    spread = values.gradient;
  }
  std::vector<float> computed(std::size_t{1} * s.batch * turned.out_height * turned.out_width * pitch);
  const ConvAlgorithm& conv = reference_kernels().convs[0];
  std::vector<std::byte> packed(conv.packed_bytes(turned));
  conv.pack(turned, 0, turned.out_channels, weights.data(), packed.data());
  const std::vector<float> bias(pitch);
  ConvCall call;
  call.shape = turned;
  call.input = spread.data();
  call.weights = packed.data();
  call.bias = bias.data();
  call.output = computed.data();
  conv.run(call, 0, 1, nullptr);
  if (s.kernel > 1) return computed;
  const SpreadShape after = {s.in_channels, s.stride, s.out_height, s.out_width, s.in_height, s.in_width};
  spread_gradient(after, computed.data(), result.data(), false, 0, s.batch);
  return result;
}

TEST(PropertyConvGradient, EqualsFiniteDifferences) {
  Random random(1);
  for (int i = 0; i < property_cases(24); ++i) {
    ConvShape s = random_conv(random);
    s.in_channels = s.groups * random.between(1, 3);  // few values, each of which is moved
    s.out_channels = s.groups * random.between(1, 3);
    s.in_height = std::min(s.in_height, 7);
    const int reach = s.dilation * (s.kernel - 1) + 1;
    if (s.in_height + 2 * s.padding < reach) continue;
    s.out_height = (s.in_height + 2 * s.padding - reach) / s.stride + 1;
    s.batch = 1;
    const ConvValues values(s, random);
    const Values input = widened(values.input), weights = widened(values.weights), gradient = widened(values.gradient);
    const auto loss = [&](const Values& x, const Values& w) {
      double sum = 0;
      for_each_product(s, 0, pixels_out(s), [&](std::int64_t in, std::int64_t weight, std::int64_t out) {
        sum += x[in] * w[weight] * gradient[out];
      });
      return sum;
    };
    SCOPED_TRACE(describe(s));
    expect_near(widened(weight_gradient(reference_training_kernels(), s, values)),
                finite_differences([&](const Values& w) { return loss(input, w); }, weights), 1e-5, "weights");
    if (s.dense_input) continue;
    expect_near(widened(input_gradient(s, values)),
                finite_differences([&](const Values& x) { return loss(x, weights); }, input), 1e-5, "input");
  }
}

TEST(PropertyPoolGradient, EqualsFiniteDifferences) {
  Random random(2);
  for (int i = 0; i < property_cases(16); ++i) {
    PoolShape s;
    s.batch = 2;
    s.channels = random.between(1, 20);
    s.kernel = random.between(2, 3);
    s.stride = random.between(1, 3);
    s.padding = random.between(0, 1);
    s.in_height = random.between(3, 6);
    s.in_width = random.between(3, 6);
    s.out_height = (s.in_height + 2 * s.padding - s.kernel) / s.stride + 1;
    s.out_width = (s.in_width + 2 * s.padding - s.kernel) / s.stride + 1;
    const int pitch = padded_channels(s.channels);
    const std::vector<float> input = random.pixels(s.batch * s.in_height * s.in_width, s.channels, pitch);
    const std::vector<float> gradient = random.pixels(s.batch * s.out_height * s.out_width, s.channels, pitch);
    std::vector<float> result(input.size(), NAN);
    const auto check = [&](const std::string& what, const std::function<double(const Values&)>& loss) {
      expect_near(widened(result), finite_differences(loss, widened(input)), 1e-5, what);
    };
    // The sum over all outputs of gradient * combine(what the windows see).
    const auto largest = [&](const Values& x) {
      Values most(gradient.size(), -INFINITY);
      for (int picture = 0; picture < s.batch; ++picture) {
        for_each_pooled(s, picture, [&](std::int64_t in, std::int64_t out, int) {
          for (int c = 0; c < pitch; ++c) most[out * pitch + c] = std::max(most[out * pitch + c], x[in * pitch + c]);
        });
      }
      return dot(most, widened(gradient));
    };
    const auto linear = [&](auto walk) {
      return [&, walk](const Values& x) {
        double sum = 0;
        for (int picture = 0; picture < s.batch; ++picture) {
          walk(s, picture, [&](std::int64_t in, std::int64_t out, auto weight) {
            for (int c = 0; c < pitch; ++c) {
              const double share = std::is_same_v<decltype(weight), int> ? 1.0 / weight : weight;
              sum += share * x[in * pitch + c] * gradient[out * pitch + c];
            }
          });
        }
        return sum;
      };
    };
    max_pool_gradient(s, input.data(), gradient.data(), result.data(), 0, 1);
    max_pool_gradient(s, input.data(), gradient.data(), result.data(), 1, 2);
    check("max", largest);
    average_pool_gradient(s, gradient.data(), result.data(), 0, 2);
    check("average", linear([](auto&&... all) { for_each_pooled(all...); }));
    s.kernel = 3, s.padding = 1;
    s.out_height = (s.in_height - 1) / s.stride + 1, s.out_width = (s.in_width - 1) / s.stride + 1;
    const std::vector<float> other = random.pixels(s.batch * s.out_height * s.out_width, s.channels, pitch);
    blur_gradient(s, other.data(), result.data(), 0, 2);
    const auto blurred = [&](const Values& x) {
      std::vector<float> narrow(x.begin(), x.end());
      double sum = 0;
      for (int picture = 0; picture < s.batch; ++picture) {
        for_each_blurred(s, picture, [&](std::int64_t in, std::int64_t out, float weight) {
          for (int c = 0; c < pitch; ++c) sum += double{weight} * x[in * pitch + c] * other[out * pitch + c];
        });
      }
      return sum;
    };
    check("blur", blurred);
  }
}

TEST(MaxPoolGradientTest, GoesToTheFirstOfEqualValues) {
  PoolShape s;
  s.in_height = s.in_width = 3, s.kernel = 3;
  const std::vector<float> input(9 * 16, 0.5F), gradient(16, 1);
  std::vector<float> result(input.size());
  max_pool_gradient(s, input.data(), gradient.data(), result.data(), 0, 1);
  for (int i = 0; i < 9; ++i) EXPECT_EQ(result[i * 16], i == 0 ? 1 : 0);
}

TEST(ActivationGradientTest, EqualsFiniteDifferences) {
  for (int curve = 0; curve <= static_cast<int>(Curve::kHardswish); ++curve) {
    for (double x = -7.03; x < 7; x += 0.11) {  // never where a slope jumps
      const auto kind = static_cast<Curve>(curve);
      const double difference = (activated(kind, 0.1, x + 1e-6) - activated(kind, 0.1, x - 1e-6)) / 2e-6;
      EXPECT_NEAR(activation_slope(kind, 0.1, x), difference, 1e-8) << curve << " at " << x;
    }
  }
}

// y of a batch norm in double precision: one channel, its statistics those of its values.
Values normalized(const Values& x, double weight, double bias, const Values& residual, bool relu) {
  const auto n = static_cast<double>(x.size());
  double sum = 0, square = 0;
  const ReferenceNorm<double> norm = {static_cast<std::int64_t>(x.size()), 1};
  norm.add_moments(x.data(), 0.0, &sum, &square);
  const double scale = weight / std::sqrt(square / n - sum / n * sum / n + 1e-5);
  Values y(x.size());
  norm.normalize(x.data(), residual.empty() ? nullptr : residual.data(), scale, bias - sum / n * scale, relu, y.data());
  return y;
}

TEST(PropertyBatchNormGradient, EqualsFiniteDifferences) {
  Random random(3);
  for (int i = 0; i < 40; ++i) {
    const bool relu = i % 2 == 1;
    const Values x = random_doubles(random, 9 + i), gradient = random_doubles(random, x.size());
    const Values residual = i % 4 >= 2 ? random_doubles(random, x.size()) : Values();
    const double weight = 0.3 + i, bias = 0.2;
    const auto n = static_cast<double>(x.size());
    const ReferenceNorm<double> norm = {static_cast<std::int64_t>(x.size()), 1};
    double sum = 0, square = 0;
    norm.add_moments(x.data(), 0.0, &sum, &square);
    const double mean = sum / n, inverse = 1 / std::sqrt(square / n - mean * mean + 1e-5);
    const double scale = weight * inverse, shift = bias - mean * scale;
    const Values y = normalized(x, weight, bias, residual, relu);
    const ReluMask mask = !relu ? ReluMask::kNone : residual.empty() ? ReluMask::kFromInput : ReluMask::kFromOutput;
    double total = 0, product = 0;
    Values g(x.size()), result(x.size());
    norm.add_gradient_sums(gradient.data(), x.data(), y.data(), scale, shift, mean, mask, g.data(), &total, &product);
    const double b = -scale * product * inverse * inverse / n;
    norm.normalize_gradient(g.data(), x.data(), scale, shift, ReluMask::kNone, scale, b, -scale * total / n - b * mean,
                            result.data());
    const auto loss = [&](const Values& at, double w, double shifted, const Values& added) {
      return dot(normalized(at, w, shifted, added, relu), gradient);
    };
    expect_near(result, finite_differences([&](const Values& at) { return loss(at, weight, bias, residual); }, x), 1e-6,
                "input");
    expect_near({product * inverse, total},
                finite_differences([&](const Values& at) { return loss(x, at[0], at[1], residual); }, {weight, bias}),
                1e-6, "weight and bias");
    if (residual.empty()) continue;
    expect_near(g, finite_differences([&](const Values& at) { return loss(x, weight, bias, at); }, residual), 1e-6,
                "residual");
  }
}

// --- every table against the reference ---

void expect_equal_tables(const TrainingKernels& kernels, int seed) {
  const TrainingKernels& plain = reference_training_kernels();
  Random random(seed);
  for (int i = 0; i < property_cases(32); ++i) {
    const ConvShape s = random_conv(random);
    const ConvValues values(s, random);
    SCOPED_TRACE(describe(s));
    expect_near(widened(weight_gradient(kernels, s, values)), widened(weight_gradient(plain, s, values)), 3e-6,
                "weights");
  }
  for (int i = 0; i < property_cases(40); ++i) {
    const int channels = 16 * random.between(1, 9);
    const std::int64_t pixels = random.between(1, 200);
    const auto more = [&] { return random.values(pixels * channels); };
    const auto each = [&] { return random.values(channels); };
    const std::vector<float> x = more(), dy = more(), residual = more(), scale = each(), bias = each(), mean = each(),
                             c = each();
    const bool relu = random.chance(0.5), add = random.chance(0.5);
    const ReluMask mask = !relu ? ReluMask::kNone : add ? ReluMask::kFromOutput : ReluMask::kFromInput;
    std::vector<std::vector<float>> results[2];
    Values sums[2];
    for (const auto* table : {&plain, &kernels}) {
      const int which = table == &plain ? 0 : 1;
      Values moments(2 * channels, 1), gradients(2 * channels, 2);
      std::vector<float> y(x.size()), masked(x.size()), dx(x.size());
      table->add_moments(x.data(), pixels, channels, mean.data(), moments.data());
      table->normalize(x.data(), add ? residual.data() : nullptr, pixels, channels, scale.data(), bias.data(), relu,
                       y.data());
      table->add_gradient_sums(dy.data(), x.data(), y.data(), pixels, channels, scale.data(), bias.data(), mean.data(),
                               mask, add ? masked.data() : nullptr, gradients.data());
      table->normalize_gradient(dy.data(), x.data(), pixels, channels, scale.data(), bias.data(),
                                add ? ReluMask::kNone : mask, scale.data(), mean.data(), c.data(), dx.data());
      sums[which] = moments;
      sums[which].insert(sums[which].end(), gradients.begin(), gradients.end());
      results[which] = {y, masked, dx};
      for (int curve = 0; curve <= static_cast<int>(Curve::kHardswish); ++curve) {
        std::vector<float> slopes(x.size(), 1), wide = x;
        for (float& value : wide) value *= 8;
        table->activation_gradient(static_cast<Curve>(curve), 0.1F, wide.data(), slopes.data(), 0, slopes.size());
        results[which].push_back(slopes);
      }
    }
    expect_near(sums[1], sums[0], 3e-6, "sums");
    for (std::size_t k = 0; k < results[0].size(); ++k) {
      expect_near(widened(results[1][k]), widened(results[0][k]), 2e-6, "values " + std::to_string(k));
    }
  }
}

class PropertyTrainingKernels : public IsaTest {};
RESNET_FOR_EVERY_FAST_ISA(PropertyTrainingKernels);

TEST_P(PropertyTrainingKernels, EqualPlainCode) { expect_equal_tables(training_kernels_for(GetParam()), 4); }

TEST(PropertyTrainingKernelsOverPlainVectors, EqualPlainCode) {
  for (const TrainingKernels& kernels : emulated_training_kernels()) expect_equal_tables(kernels, 5);
}

}  // namespace
}  // namespace resnet
