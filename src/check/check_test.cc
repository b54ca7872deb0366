#include "resnet/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>

#include "arch/describe.h"
#include "check/hypotheses.h"
#include "check/moments.h"
#include "engine/calibrate.h"
#include "program/random_weights.h"
#include "resnet/error.h"
#include "resnet/graph.h"

namespace resnet {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

constexpr std::int64_t kTraining = 32, kShown = 16;
constexpr FeatureShape kShape = {kShown, 3, 32, 32};

Preprocessing small_pictures() {
  Preprocessing how = preset(Preset::kCifar);
  how.height = how.width = 32;
  return how;
}

Architecture small_network(Block block = Block::kBasic) {
  Architecture a;
  a.block = block;
  a.depths = {1, 1, 2};
  a.widths = {8, 16, 32};
  a.stem = Stem::kCifar;
  a.stem_width = 16;
  a.classes = 5;
  return a;
}

// Those of the training come first.
const std::vector<float>& all_pictures() {
  static const std::vector<float> kPictures = draw_pictures({kTraining + kShown, 3, 32, 32});
  return kPictures;
}

std::vector<float> prepared(std::span<const float> pictures, const Preprocessing& how) {
  constexpr std::size_t kPlane = 32 * 32;
  std::vector<float> values(pictures.size());
  for (std::size_t plane = 0; plane < values.size() / kPlane; ++plane) {
    const std::size_t c = plane % 3;
    const std::size_t source = how.channels == ChannelOrder::kBgr ? plane - c + 2 - c : plane;
    for (std::size_t i = 0; i < kPlane; ++i) {
      values[plane * kPlane + i] = (pictures[source * kPlane + i] - how.mean[c]) / how.std[c];
    }
  }
  return values;
}

// Random weights whose batch norms have seen pictures that were prepared so.
Model trained(const Architecture& architecture, const Preprocessing& how) {
  const Graph graph = expand(architecture);
  const std::span<const float> pictures = std::span(all_pictures()).first(kTraining * 3 * 32 * 32);
  Model model;
  model.architecture = plainly_said(architecture);
  model.weights =
      calibrate_batch_norms(graph, random_weights(graph, 1), prepared(pictures, how), {kTraining, 3, 32, 32});
  model.preprocessing = how;
  return model;
}

// The same code runs a few times beside a sanitizer, not for minutes.
#ifdef RESNET_SANITIZED
constexpr bool kSanitized = true;
#else
constexpr bool kSanitized = false;
#endif

// With the pictures of the training, which leave nothing to chance.
CheckReport check(const Model& model) {
  return check_model(model, std::span(all_pictures()).first(kTraining * 3 * 32 * 32), {kTraining, 3, 32, 32});
}

// With a few others.
CheckReport check_with_others(const Model& model) {
  return check_model(model, std::span(all_pictures()).subspan(kTraining * 3 * 32 * 32), kShape);
}

TEST(CheckTest, SaysThatAModelIsWhatItSays) {
  const CheckReport report = check(trained(small_network(), small_pictures()));
  EXPECT_EQ(report.stated, 0U);
  EXPECT_FALSE(report.contradicted);
  EXPECT_LT(report.hypotheses[0].distance, 0.1);
  EXPECT_EQ(report.pictures, static_cast<std::size_t>(kTraining));
  EXPECT_TRUE(report.weights.empty());
  EXPECT_THAT(report.open, Contains("stem_pool"));
}

// What the file says is the usual, what the network was trained as is another one.
class CheckFinds : public ::testing::TestWithParam<int> {};

TEST_P(CheckFinds, TheNetworkOfTheTraining) {
  const std::vector<Architecture> basic = likely_neighbours(small_network());
  const std::vector<Architecture> bottleneck = likely_neighbours(small_network(Block::kBottleneck));
  const auto index = static_cast<std::size_t>(GetParam());
  if (kSanitized && index % 8 != 0) GTEST_SKIP() << "takes long beside a sanitizer";
  if (index >= basic.size() + bottleneck.size()) GTEST_SKIP() << "there are fewer";
  const Architecture truth = index < basic.size() ? basic[index] : bottleneck[index - basic.size()];
  Model model = trained(truth, small_pictures());
  model.architecture = small_network(truth.block);
  const CheckReport report = check(model);
  EXPECT_EQ(headline(report.hypotheses[0].architecture), headline(plainly_said(truth)));
  EXPECT_EQ(report.hypotheses[0].architecture, plainly_said(truth));
  EXPECT_EQ(report.hypotheses[0].preprocessing, small_pictures());
}
INSTANTIATE_TEST_SUITE_P(All, CheckFinds, ::testing::Range(0, 26));

TEST(CheckTest, FindsThePreprocessingOfTheTraining) {
  if (kSanitized) GTEST_SKIP() << "takes long beside a sanitizer";
  const Preprocessing said = small_pictures();
  for (const Preprocessing& truth : likely_preprocessings(said)) {
    Model model = trained(small_network(), truth);
    model.preprocessing = said;
    EXPECT_EQ(check(model).hypotheses[0].preprocessing, truth) << truth.mean[0] << " " << name(truth.channels);
  }
}

// What is far from the usual is found, and what is not contradicted stays, where chance has its part.
TEST(CheckTest, FindsWhatMattersInAFewOtherPictures) {
  if (kSanitized) GTEST_SKIP() << "takes long beside a sanitizer";
  const Preprocessing said = small_pictures();
  EXPECT_FALSE(check_with_others(trained(small_network(), said)).contradicted);
  for (const Preprocessing& truth : likely_preprocessings(said)) {
    Model model = trained(small_network(), truth);
    model.preprocessing = said;
    const CheckReport report = check_with_others(model);
    const Preprocessing& found = report.hypotheses[0].preprocessing;
    EXPECT_NEAR(found.std[0] / truth.std[0], 1, 0.2);
    EXPECT_EQ(report.contradicted, std::abs(said.std[0] / truth.std[0] - 1) > 0.2) << truth.mean[0];
  }
  const auto found = [&](const auto& change) {
    Architecture truth = small_network();
    truth.widths = {16, 32, 64};
    truth.shortcut = Shortcut::kPadding;
    const Architecture usual = plainly_said(truth);
    change(truth);
    Model model = trained(truth, said);
    model.architecture = usual;
    return check_with_others(model);
  };
  const CheckReport pooled = found([](Architecture& a) { a.stem_pool = StemPool::kMax; });
  EXPECT_NE(pooled.hypotheses[0].architecture.last_pool(), StemPool::kNone);
  const CheckReport smooth = found([](Architecture& a) { a.activation = Activation::kSilu; });
  EXPECT_EQ(smooth.hypotheses[0].architecture.activation, Activation::kSilu);
  EXPECT_TRUE(smooth.contradicted);
  const CheckReport plain = found([](Architecture& a) { a.shortcut = Shortcut::kNone; });
  EXPECT_EQ(plain.hypotheses[0].architecture.shortcut, Shortcut::kNone);
  EXPECT_TRUE(plain.contradicted);
}

TEST(CheckTest, FewPicturesDoNotContradictTheOrderOfChannels) {
  if (kSanitized) GTEST_SKIP() << "takes long beside a sanitizer";
  Preprocessing truth = small_pictures();
  truth.channels = ChannelOrder::kBgr;
  Model model = trained(small_network(), truth);
  model.preprocessing = small_pictures();
  const CheckReport report = check(model);
  EXPECT_EQ(report.hypotheses[0].preprocessing, truth);
  EXPECT_FALSE(report.contradicted);
  EXPECT_EQ(report.verdict, Verdict::kCannotTell);
}

TEST(CheckTest, MayLookAtTheFirstNormAlone) {
  Preprocessing bytes = small_pictures();
  bytes.mean = {0, 0, 0};
  bytes.std = {1.0F / 255, 1.0F / 255, 1.0F / 255};
  Model model = trained(small_network(), bytes);
  model.preprocessing = small_pictures();
  CheckOptions options;
  options.first_norm_alone = true;
  const CheckReport report = check_model(model, draw_pictures(kShape), kShape, options);
  EXPECT_NEAR(report.hypotheses[0].preprocessing.std[0], 1.0F / 255, 1e-6);
  for (const Hypothesis& hypothesis : report.hypotheses) EXPECT_EQ(hypothesis.architecture, model.architecture);
  EXPECT_TRUE(report.open.empty());
  EXPECT_TRUE(report.contradicted);
}

TEST(CheckTest, TriesFieldsTogether) {
  Architecture truth = small_network();
  truth.stem_pool = StemPool::kMax;
  truth.activation = Activation::kSilu;
  Preprocessing how = small_pictures();
  how.mean = how.std = {0.5F, 0.5F, 0.5F};
  Model model = trained(truth, how);
  model.architecture = small_network();
  model.preprocessing = small_pictures();
  const CheckReport report = check(model);
  EXPECT_EQ(headline(report.hypotheses[0].architecture), headline(plainly_said(truth)));
  EXPECT_EQ(report.hypotheses[0].preprocessing, how);
  EXPECT_TRUE(report.contradicted);
}

TEST(CheckTest, CannotTellWhereNothingFits) {
  Model model = trained(small_network(), small_pictures());
  for (const Node& node : expand(model.architecture).nodes) {
    if (node.op != Op::kBatchNorm) continue;
    model.weights.set(
        node.path + ".running_mean",
        Tensor::from(std::vector<float>(static_cast<std::size_t>(node.out_channels), 100), {node.out_channels}));
  }
  EXPECT_EQ(check(model).verdict, Verdict::kCannotTell);
}

TEST(CheckTest, LeavesOutWhatWasNeverUpdated) {
  const auto forget = [](Model& model, const std::string& path) {
    for (const auto& [name, value] : {std::pair(".running_mean", 0.0F), std::pair(".running_var", 1.0F)}) {
      const Tensor& old = model.weights.at(path + name);
      model.weights.set(path + name,
                        Tensor::from(std::vector<float>(static_cast<std::size_t>(old.count()), value), old.shape()));
    }
  };
  Model model = trained(small_network(), small_pictures());
  const double before = check(model).hypotheses[0].distance;
  forget(model, "layer3.1.bn2");  // behind which there is none that it could mislead
  const CheckReport partly = check(model);
  EXPECT_TRUE(partly.remembers);
  EXPECT_EQ(partly.stated, 0U);
  EXPECT_LT(partly.hypotheses[0].distance, 1.2 * before);
  for (const Node& node : expand(model.architecture).nodes) {
    if (node.op == Op::kBatchNorm) forget(model, node.path);
  }
  const CheckReport nothing = check(model);
  EXPECT_FALSE(nothing.remembers);
  EXPECT_FALSE(nothing.contradicted);
  EXPECT_EQ(nothing.verdict, Verdict::kCannotTell);
  EXPECT_EQ(nothing.hypotheses.size(), 1U);
}

TEST(CheckTest, RefusesWhatItCannotCheck) {
  const Model model = trained(small_network(), small_pictures());
  const auto code = [&](const Model& of, FeatureShape shape, std::size_t values) {
    try {
      check_model(of, std::span(all_pictures()).first(values), shape);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::kIo;
  };
  Model silent = model;
  silent.preprocessing.reset();
  EXPECT_EQ(code(silent, {2, 3, 32, 32}, 2 * 3072), ErrorCode::kMismatch);
  EXPECT_EQ(code(model, {1, 3, 32, 32}, 3072), ErrorCode::kMismatch);
  EXPECT_EQ(code(model, {2, 3, 32, 32}, 3072), ErrorCode::kMismatch);
  EXPECT_EQ(code(model, {6, 1, 32, 32}, 2 * 3072), ErrorCode::kMismatch);
}

TEST(CheckTest, NamesWhatIsWrongWithWeights) {
  const Architecture architecture = small_network();
  const Graph graph = expand(architecture);
  StateDict weights = random_weights(graph, 1);
  const auto change = [&](const std::string& name, const auto& to) {
    Tensor values = weights.at(name).to_f32().copy();
    to(values.mutable_f32());
    weights.set(name, values);
  };
  change("conv1.weight", [](std::span<float> v) { std::fill_n(v.begin(), 27, 0.0F); });
  change("fc.weight", [](std::span<float> v) { v[0] = std::numeric_limits<float>::quiet_NaN(); });
  change("bn1.running_var", [](std::span<float> v) { v[0] = v[1] = 0; });
  change("layer1.0.bn1.running_mean", [](std::span<float> v) { std::fill(v.begin(), v.end(), 0.0F); });
  change("layer1.0.bn1.running_var", [](std::span<float> v) { std::fill(v.begin(), v.end(), 1.0F); });
  change("layer1.0.bn2.weight", [](std::span<float> v) { v[3] = 0; });
  change("layer1.0.bn2.bias", [](std::span<float> v) { v[3] = 0; });
  std::string text;
  for (const WeightProblem& problem : find_weight_problems(graph, weights)) {
    text += problem.tensor + " " + problem.text + "\n";
  }
  EXPECT_THAT(text, HasSubstr("conv1.weight 1 of 16 output channels are all zero\n"));
  EXPECT_THAT(text, HasSubstr("fc.weight 1 of 160 values are not finite\n"));
  EXPECT_THAT(text, HasSubstr("bn1.running_var 2 of 16 variances are 0"));
  EXPECT_THAT(text, HasSubstr("layer1.0.bn1 was never updated"));
  EXPECT_THAT(text, HasSubstr("layer1.0.bn2 1 of 8 channels are dead"));
  EXPECT_TRUE(find_weight_problems(graph, random_weights(graph, 1)).empty());
}

TEST(CheckTest, NamesClippedLayersOfInt8) {
  const Graph graph = expand(small_network());
  StateDict weights = random_weights(graph, 1);
  const std::string layer = "layer2.0.conv2";
  const Tensor shape = weights.at(layer + ".weight");
  const auto problems = [&](int every) {  // so many weights are at the ends
    const auto values = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(shape.count()), std::byte{5});
    for (std::size_t i = 0; i < values->size(); i += static_cast<std::size_t>(every)) {
      (*values)[i] = std::byte{i % 2 == 0 ? std::uint8_t{127} : std::uint8_t{0x81}};
    }
    weights.set(layer + ".weight", Tensor::view(DType::kI8, shape.shape(), *values, values));
    weights.set(layer + ".weight_scale", Tensor::from(std::vector<float>(16, 0.01F), {16}));
    return find_weight_problems(graph, weights);
  };
  EXPECT_TRUE(problems(100).empty());
  ASSERT_EQ(problems(5).size(), 1U);
  EXPECT_EQ(problems(5)[0].tensor, layer + ".weight");
  EXPECT_THAT(problems(5)[0].text, HasSubstr("461 of 2304 weights are at the ends of int8"));
}

TEST(CheckTest, NamesClippedActivationsOfInt8) {
  Model model = trained(small_network(), small_pictures());
  const std::string layer = "layer2.0.conv2";
  const Tensor shape = model.weights.at(layer + ".weight");
  const auto ints = std::make_shared<std::vector<std::byte>>(static_cast<std::size_t>(shape.count()), std::byte{5});
  model.weights.set(layer + ".weight", Tensor::view(DType::kI8, shape.shape(), *ints, ints));
  model.weights.set(layer + ".weight_scale", Tensor::from(std::vector<float>(16, 0.01F), {16}));
  const auto zero = std::make_shared<std::byte>(std::byte{0});
  const auto problems = [&](float scale) {
    const std::string stem = "conv1";  // what it gives behind its batch norm and ReLU
    model.weights.set(stem + ".output_scale", Tensor::from(std::vector<float>{scale}, {}));
    model.weights.set(stem + ".output_zero_point", Tensor::view(DType::kU8, {}, std::span(zero.get(), 1), zero));
    std::string text;
    const std::span<const float> few = std::span(all_pictures()).first(2 * 3 * 32 * 32);
    for (const WeightProblem& problem : check_model(model, few, {2, 3, 32, 32}).weights) {
      text += problem.tensor + " " + problem.text + "\n";
    }
    return text;
  };
  EXPECT_EQ(problems(0.1F), "");
  const std::string clipped = problems(0.002F);  // 0.51 at most, of values that are as large as 1
  EXPECT_THAT(clipped, HasSubstr("conv1.output_scale "));
  EXPECT_THAT(clipped, HasSubstr("% of the values lie beyond what int8 holds"));
}

// Pictures so small that each of their places is looked at, so that check_model() must find the same.
TEST(InputDriftTest, DistanceIsThatOfTheFirstNorm) {
  constexpr FeatureShape kTiny = {32, 3, 3, 3};
  const std::vector<float> pictures = draw_pictures(kTiny);
  for (const int kernel : {3, 7}) {
    Architecture architecture = small_network();
    architecture.stem_kernel = kernel;
    architecture.strides = {1, 1, 1};
    Preprocessing how = small_pictures();
    how.channels = ChannelOrder::kBgr;
    how.height = how.width = 3;
    Model model = trained(architecture, how);
    InputDrift drift(model);
    std::vector<float> values;
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      const std::size_t plane = i / 9, c = plane % 3;
      values.push_back((pictures[(plane - c + 2 - c) * 9 + i % 9] - how.mean[c]) / how.std[c]);
    }
    drift.add(values, kTiny);
    EXPECT_EQ(drift.pictures(), 32);
    CheckOptions options;
    options.first_norm_alone = true;
    const CheckReport report = check_model(model, pictures, kTiny, options);
    EXPECT_NEAR(drift.distance(), report.hypotheses[report.stated].first_distance, 1e-6) << kernel;
    drift.clear();
    EXPECT_TRUE(std::isnan(drift.distance()));
  }
}

TEST(InputDriftTest, ContradictsWhatIsFarOffAlone) {
  const Preprocessing said = small_pictures();
  for (const Preprocessing& truth : likely_preprocessings(said)) {
    Model model = trained(small_network(), truth);
    model.preprocessing = said;
    InputDrift drift(model);
    drift.add(prepared(all_pictures(), said), {kTraining + kShown, 3, 32, 32});
    const bool far_off = truth.std[0] > 0.9F || truth.std[0] < 0.1F;  // not normalised, or values in 0..255
    const auto contradiction = drift.contradiction();
    ASSERT_EQ(contradiction.has_value(), far_off) << truth.mean[0] << " " << truth.std[0] << " " << drift.distance();
    if (far_off) {
      EXPECT_NEAR(contradiction->fits.std[0] / truth.std[0], 1, 1e-6);
    }
  }
}

TEST(InputDriftTest, IsSilentWhereItCannotTell) {
  const Preprocessing said = small_pictures();
  Preprocessing bytes = said;
  bytes.mean = {0, 0, 0};
  bytes.std = {1.0F / 255, 1.0F / 255, 1.0F / 255};
  Model model = trained(small_network(), bytes);
  model.preprocessing = said;
  const std::vector<float> values = prepared(all_pictures(), said);
  InputDrift few(model);
  few.add(std::span(values).first(15 * 3072), {15, 3, 32, 32});
  EXPECT_GT(few.distance(), 100);
  EXPECT_FALSE(few.contradiction());
  few.add(std::span(values).first(3072), {1, 3, 32, 32});
  EXPECT_TRUE(few.contradiction());
  InputDrift black(model);
  black.add(prepared(std::vector<float>(16 * 3072, 0), said), {16, 3, 32, 32});
  EXPECT_FALSE(black.contradiction());
  const Graph graph = expand(small_network());
  Model silent = model;
  silent.weights = random_weights(graph, 1);
  for (const auto& [name, value] : {std::pair("bn1.running_mean", 0.0F), std::pair("bn1.running_var", 1.0F)}) {
    silent.weights.set(name, Tensor::from(std::vector<float>(16, value), {16}));
  }
  InputDrift none(silent);
  none.add(values, {kTraining + kShown, 3, 32, 32});
  EXPECT_FALSE(none.can_tell());
  EXPECT_FALSE(none.contradiction());
  EXPECT_TRUE(std::isnan(none.distance()));
  EXPECT_THROW(none.add(values, {1, 3, 32, 32}), Error);
  EXPECT_THROW(none.add(std::span(values).first(1024), {1, 1, 32, 32}), Error);
  silent.preprocessing.reset();
  EXPECT_THROW(InputDrift{silent}, Error);
}

// By hand: v = 2, w = 1, m - n = 1: (2 + 1/2) / 4 - 1/2 + (1/2 + 1) / 4.
TEST(MomentsTest, DistanceIsThatOfTwoNormals) {
  Moments seen;
  const float values[] = {1 - std::sqrt(2.0F), 1 + std::sqrt(2.0F)};
  seen.add(values, 1, 2, 1);
  EXPECT_NEAR(distance(seen, {{0}, {1}}), 0.625 - 0.5 + 0.375, 1e-6);
  EXPECT_NEAR(distance(seen, {{1}, {2}}), 0, 1e-6);
}

TEST(DrawnPicturesTest, HaveTheStatisticsOfPhotographs) {
  const FeatureShape shape = {64, 3, 32, 32};
  const std::vector<float> values = draw_pictures(shape);
  ASSERT_EQ(static_cast<std::int64_t>(values.size()), shape.count());
  for (std::size_t c = 0; c < 3; ++c) {
    double sum = 0, squares = 0;
    for (std::size_t picture = 0; picture < 64; ++picture) {
      for (std::size_t i = 0; i < 1024; ++i) {
        const double value = values[(picture * 3 + c) * 1024 + i];
        sum += value;
        squares += value * value;
      }
    }
    const double mean = sum / 65536, spread = std::sqrt(squares / 65536 - mean * mean);
    EXPECT_NEAR(mean, 0.45, 0.08);
    EXPECT_NEAR(spread, 0.22, 0.06);
  }
  EXPECT_EQ(values, draw_pictures(shape));
}

}  // namespace
}  // namespace resnet
