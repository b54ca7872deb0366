#include "resnet/quantize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>

#include "engine/weight_rules.h"
#include "model/calibrate.h"
#include "program/random_weights.h"
#include "quantize/range.h"
#include "quantize/round_weights.h"
#include "resnet/engine.h"
#include "resnet/error.h"

namespace resnet {
namespace {

TEST(HistogramTest, PercentilesCountZeros) {
  Histogram histogram(-1, 1);
  std::vector<float> values(50, 0.0F);
  for (int i = 0; i < 25; ++i) values.insert(values.end(), {-0.5F, 0.75F});
  histogram.add(values);
  EXPECT_NEAR(histogram.percentile(0.2), -0.5, 1e-3);
  EXPECT_NEAR(histogram.percentile(0.9), 0.75, 1e-3);
  EXPECT_NEAR(histogram.percentile(1), 0.75, 1e-3);
}

TEST(HistogramTest, ErrorIsTheOneOfRounding) {
  std::mt19937 random(1);
  const std::vector<float> values = random_values(20'000, 0, 4, random);
  Histogram histogram(0, 4);
  histogram.add(values);
  for (const float high : {4.0F, 3.0F, 1.0F}) {
    double error = 0;
    for (const float value : values) {
      const float step = high / 255;
      const float rounded = step * std::min(255.0F, std::nearbyint(value / step));
      error += std::pow(static_cast<double>(value) - rounded, 2);
    }
    EXPECT_NEAR(histogram.squared_error(0, high) / error, 1, 0.03) << high;
  }
}

TEST(RangeTest, CutsOutliersOffAndKeepsPlainRanges) {
  std::mt19937 random(2);
  std::vector<float> even = random_values(50'000, 0, 1, random);
  Histogram plain(0, 1);
  plain.add(even);
  EXPECT_NEAR(choose_range(plain, plain, 0, 1).high, 1, 0.02);

  std::normal_distribution<float> normal;
  for (float& value : even) value = std::abs(normal(random)) * 0.01F;
  even.front() = 100;
  Histogram outlier(0, 100);
  outlier.add(even);
  const Range range = choose_range(outlier, outlier, 0, 100);
  EXPECT_EQ(range.low, 0);
  EXPECT_LT(range.high, 100);
  EXPECT_NE(range.method, "min-max");
}

TEST(RangeTest, ZeroHasANumber) {
  for (const Range& range : {Range{0, 6, ""}, Range{-2, 6, ""}, Range{-3, 0, ""}, Range{0, 0, ""}}) {
    const OutputScale scale = scale_of(range);
    EXPECT_GT(scale.scale, 0);
    EXPECT_NEAR(scale.scale * (0 - static_cast<float>(scale.zero_point)), range.low, scale.scale);
    EXPECT_NEAR(scale.scale * (255 - static_cast<float>(scale.zero_point)), range.high, scale.scale + 1e-9);
    if (range.low == 0) {
      EXPECT_EQ(scale.zero_point, 0);
    }
  }
}

TEST(RoundWeightsTest, RoundsPerChannel) {
  std::mt19937 random(3);
  std::vector<float> values = random_values(4 * 90, -1, 1, random);
  for (int i = 0; i < 90; ++i) {
    values[i] *= 1000;  // a large channel beside small ones
    values[270 + i] = 0;
  }
  Node node;
  node.op = Op::kConv;
  node.path = "conv";
  node.in_channels = 10;
  node.out_channels = 4;
  node.kernel = 3;
  const RoundedWeights rounded = round_weights(node, Tensor::from(values, {4, 10, 3, 3}));
  EXPECT_EQ(rounded.quantized.shape(), (Shape{4, 10, 3, 3}));
  EXPECT_EQ(rounded.scales.shape(), (Shape{4}));
  const Tensor quantized = rounded.quantized.to_f32();
  for (std::size_t i = 0; i < values.size(); ++i) {
    const float scale = rounded.scales.f32()[i / 90];
    EXPECT_LE(std::abs(quantized.f32()[i]), 127);
    // No farther from zero than rounding brings it, and of its sign.
    EXPECT_LE(std::abs(scale * quantized.f32()[i]), std::abs(values[i]) + scale * 0.5001F);
    EXPECT_GE(quantized.f32()[i] * values[i], 0);
  }
  EXPECT_GT(rounded.sqnr_db, 34);
  StateDict weights;
  weights.add("conv.weight", rounded.quantized);
  EXPECT_TRUE(keeps(WeightRule::kShort, node, weights.at("conv.weight")));
}

// Groups, and channels that fill no eight.
TEST(RoundWeightsTest, NumbersAreShort) {
  std::mt19937 random(5);
  struct Case {
    int in, out, groups, kernel;
  };
  for (const Case& c : {Case{8, 3, 1, 3}, {16, 5, 1, 1}, {13, 4, 1, 1}, {12, 6, 3, 3}, {16, 4, 2, 3}}) {
    SCOPED_TRACE(c.in);
    Node node;
    node.op = Op::kConv;
    node.path = "conv";
    node.in_channels = c.in;
    node.out_channels = c.out;
    node.groups = c.groups;
    node.kernel = c.kernel;
    const int count = c.out * c.in / c.groups * c.kernel * c.kernel;
    const Shape shape = {c.out, c.in / c.groups, c.kernel, c.kernel};
    StateDict weights;
    const Tensor values = Tensor::from(random_values(count, -1, 1, random), shape);
    weights.set("conv.weight", round_weights(node, values).quantized);
    EXPECT_TRUE(keeps(WeightRule::kShort, node, weights.at("conv.weight")));
    // Equal weights, whose fours are all as large as they may be: one more is too much.
    const std::vector<float> ones(static_cast<std::size_t>(count), 1.0F);
    const Tensor quantized = round_weights(node, Tensor::from(ones, shape)).quantized;
    weights.set("conv.weight", quantized);
    EXPECT_TRUE(keeps(WeightRule::kShort, node, weights.at("conv.weight")));
    if (c.in % 8 != 0) continue;
    const auto larger = std::make_shared<std::vector<std::int8_t>>();
    const Tensor whole = quantized.to_f32();
    for (const float value : whole.f32()) larger->push_back(static_cast<std::int8_t>(value + 1));
    weights.set("conv.weight", Tensor::view(DType::kI8, shape, std::as_bytes(std::span(*larger)), larger));
    EXPECT_FALSE(keeps(WeightRule::kShort, node, weights.at("conv.weight")));
  }
}

TEST(RoundWeightsTest, NumbersOfFewChannelsNeedNotBeShort) {
  Node node;
  node.op = Op::kConv;
  node.path = "conv";
  node.in_channels = 7;
  node.out_channels = 1;
  node.kernel = 1;
  StateDict weights;
  weights.set("conv.weight", round_weights(node, Tensor::from(std::vector<float>(7, 1.0F), {1, 7, 1, 1})).quantized);
  const Tensor quantized = weights.at("conv.weight").to_f32();
  for (const float value : quantized.f32()) EXPECT_EQ(value, 127);
  EXPECT_FALSE(keeps(WeightRule::kShort, node, weights.at("conv.weight")));
}

// What rounding does to the mean of a convolution, by computing the convolution.
TEST(RoundWeightsTest, MeanShiftsAreThoseOfTheOutput) {
  Node node;
  node.op = Op::kConv;
  node.in_channels = 6;
  node.out_channels = 4;
  node.groups = 2;
  node.kernel = 3;
  node.padding = 1;
  node.stride = 2;
  const int size = 7;
  const int out = 4;
  std::mt19937 random(4);
  const Tensor weights = Tensor::from(random_values(4 * 3 * 9, -1, 1, random), {4, 3, 3, 3});
  const RoundedWeights rounded = round_weights(node, weights);
  const Tensor quantized = rounded.quantized.to_f32();
  const std::vector<double> means = {1, 2, 3, 4, 5, 6};  // each channel is constant
  const std::vector<double> shifts = mean_shifts(node, {1, 6, size, size}, {1, 4, out, out}, weights, rounded, means);
  for (int c = 0; c < 4; ++c) {
    double sum = 0;
    for (int y = 0; y < out; ++y) {
      for (int x = 0; x < out; ++x) {
        for (int tap = 0; tap < 27; ++tap) {
          const int in_y = y * 2 - 1 + tap % 9 / 3;
          const int in_x = x * 2 - 1 + tap % 3;
          if (in_y < 0 || in_y >= size || in_x < 0 || in_x >= size) continue;
          const double error = static_cast<double>(rounded.scales.f32()[c]) * quantized.f32()[c * 27 + tap] -
                               weights.f32()[c * 27 + tap];
          sum += error * means[c / 2 * 3 + tap / 9];
        }
      }
    }
    EXPECT_NEAR(shifts[c], sum / (out * out), 1e-9);
  }
}

Model small_model(const char* name) {
  Model model;
  model.architecture = find_architecture(name);
  model.architecture.classes = 10;
  model.architecture.widths.resize(2);
  model.architecture.depths = {1, 1};
  const Graph graph = expand(model.architecture);
  model.weights = calibrate_on_noise(graph, random_weights(graph, 5), 6);
  return model;
}

FeatureShape pictures_of(const Model& model) {
  return model.architecture.stem == Stem::kCifar ? FeatureShape{24, 3, 20, 24} : FeatureShape{24, 3, 40, 48};
}

TEST(QuantizeTest, KeepsWhatNetworksSay) {
  for (const char* name : {"resnet20", "resnet18", "resnet50d", "resnext50_32x4d"}) {
    SCOPED_TRACE(name);
    const Model model = small_model(name);
    const FeatureShape shape = pictures_of(model);
    const std::vector<float> pictures = octave_noise(shape, 7);
    std::int64_t last = 0;
    QuantizeOptions options;
    options.min_agreement = 0;
    options.threads = 1;
    options.progress = [&](std::int64_t done, std::int64_t total) {
      EXPECT_GT(done, last);
      EXPECT_LE(done, total);
      last = done;
    };
    const QuantizedModel result = quantize(model, {shape, pictures}, options);
    EXPECT_GT(last, 0);
    EXPECT_EQ(result.images, shape.batch);
    EXPECT_GT(result.agreement, 0.7);
    for (const QuantizedLayer& layer : result.layers) {
      EXPECT_TRUE(layer.int8) << layer.name;
      EXPECT_GT(layer.weight_sqnr_db, 30) << layer.name;
      EXPECT_GT(layer.output_sqnr_db, 15) << layer.name;
      EXPECT_GT(layer.macs, 0) << layer.name;
      EXPECT_EQ(layer.method.empty(), &layer == &result.layers.back()) << layer.name;
    }
    const Graph graph = expand(model.architecture);
    check_weights(graph, result.model.weights, "int8");
    EXPECT_EQ(Engine(graph, result.model.weights, {1}).precision(), Precision::kInt8);
  }
}

TEST(QuantizeTest, LeavesLayersInFloatingPointUntilTheAnswersStay) {
  const Model model = small_model("resnet18");
  FeatureShape shape = pictures_of(model);
  shape.batch = 64;
  const std::vector<float> pictures = octave_noise(shape, 8);
  QuantizeOptions options;
  options.threads = 1;
  options.min_agreement = 0;
  const double loose = quantize(model, {shape, pictures}, options).agreement;
  options.min_agreement = 1;
  const QuantizedModel strict = quantize(model, {shape, pictures}, options);
  EXPECT_EQ(strict.agreement, 1);
  const auto floats = std::count_if(strict.layers.begin(), strict.layers.end(),
                                    [](const QuantizedLayer& layer) { return !layer.int8; });
  EXPECT_EQ(floats > 0, loose < 1);
  EXPECT_LT(floats, static_cast<std::ptrdiff_t>(strict.layers.size()));
}

ErrorCode refusal(const Model& model, std::int64_t pictures) {
  FeatureShape shape = pictures_of(model);
  shape.batch = pictures;
  const std::vector<float> noise = octave_noise(shape, 9);
  try {
    QuantizeOptions options;
    options.min_agreement = 0;
    options.threads = 1;
    quantize(quantize(model, {shape, noise}, options).model, {shape, noise}, options);
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::kIo;
}

TEST(QuantizeTest, RefusesWhatMakesNoSense) {
  Model model = small_model("resnet20");
  EXPECT_EQ(refusal(model, 4), ErrorCode::kInvalidArgument);  // int8 already
  EXPECT_EQ(refusal(model, 1), ErrorCode::kInvalidArgument);
  Tensor weights = Tensor::from(model.weights.at("fc.bias").f32(), {10});
  weights.mutable_f32()[3] = NAN;
  model.weights.set("fc.bias", weights);
  EXPECT_EQ(refusal(model, 4), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace resnet
