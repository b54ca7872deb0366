#include "evaluate/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "evaluate/calibration.h"
#include "evaluate/compare.h"
#include "evaluate/recorder.h"
#include "evaluate/sight.h"
#include "resnet/error.h"

namespace resnet {
namespace {

// Values of the published formula, computed apart in Python.
TEST(WilsonIntervalTest, EqualsTheFormula) {
  const Interval many = wilson_interval(8103, 10000);
  EXPECT_NEAR(many.low, 0.80249709, 1e-8);
  EXPECT_NEAR(many.high, 0.81786460, 1e-8);
  const Interval none = wilson_interval(0, 10);
  EXPECT_DOUBLE_EQ(none.low, 0);
  EXPECT_NEAR(none.high, 0.27753280, 1e-8);
  EXPECT_NEAR(wilson_interval(10, 10).low, 1 - 0.27753280, 1e-8);
  EXPECT_DOUBLE_EQ(wilson_interval(0, 0).high, 1);
}

TEST(McNemarTest, EqualsTheBinomialTest) {
  EXPECT_DOUBLE_EQ(mcnemar_p_value(0, 0), 1);
  EXPECT_DOUBLE_EQ(mcnemar_p_value(5, 5), 1);
  EXPECT_NEAR(mcnemar_p_value(0, 6), 2.0 / 64, 1e-12);
  EXPECT_NEAR(mcnemar_p_value(1, 7), 2.0 * 9 / 256, 1e-12);
  EXPECT_NEAR(mcnemar_p_value(7, 1), mcnemar_p_value(1, 7), 1e-15);
  EXPECT_LT(mcnemar_p_value(1000, 2000), 1e-70);
  EXPECT_GT(mcnemar_p_value(100'000, 100'100), 0.5);
}

TEST(ConfusionTest, CountsClasses) {
  Confusion confusion(3);
  confusion.add(0, 0);
  confusion.add(0, 1);
  confusion.add(0, 1);
  confusion.add(1, 1);
  const std::vector<ClassScore> scores = confusion.scores();
  EXPECT_DOUBLE_EQ(scores[0].recall, 1.0 / 3);
  EXPECT_DOUBLE_EQ(scores[0].precision, 1);
  EXPECT_DOUBLE_EQ(scores[0].f1, 0.5);
  EXPECT_DOUBLE_EQ(scores[1].precision, 1.0 / 3);
  EXPECT_EQ(scores[2].images, 0);
  EXPECT_DOUBLE_EQ(scores[2].f1, 0);
  ASSERT_EQ(confusion.mistakes().size(), 1U);
  EXPECT_EQ(confusion.mistakes()[0].count, 2);
}

TEST(ReliabilityTest, SortsIntoBins) {
  const std::vector<float> confidences = {1, 0.95F, 0.5F, 0.0625F, 0};
  const Reliability r = reliability(confidences, {true, false, true, false, false});
  EXPECT_EQ(r.bins[14].images, 2);
  EXPECT_EQ(r.bins[7].images, 1);
  EXPECT_EQ(r.bins[0].images, 2);
  EXPECT_DOUBLE_EQ(r.bins[14].accuracy, 0.5);
  EXPECT_NEAR(r.ece, (std::abs(0.975 - 0.5) * 2 + 0.5 + 0.0625) / 5, 1e-6);
}

// Classes drawn from softmax(logits) are calibrated at temperature 1; the same logits times 3 at 3.
TEST(TemperatureTest, IsFoundAgain) {
  constexpr std::size_t kClasses = 7;
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> logits;
  std::vector<int> truths;
  for (int i = 0; i < 20'000; ++i) {
    std::vector<double> weights;
    for (std::size_t k = 0; k < kClasses; ++k) {
      logits.push_back(normal(random));
      weights.push_back(std::exp(logits.back()));
    }
    truths.push_back(std::discrete_distribution<int>(weights.begin(), weights.end())(random));
  }
  const double temperature = fit_temperature(logits, truths);
  EXPECT_NEAR(temperature, 1, 0.03);
  for (float& value : logits) value *= 3;
  EXPECT_NEAR(fit_temperature(logits, truths), 3 * temperature, 1e-6);
  const double best = temper(logits, truths, 3 * temperature).loss;
  EXPECT_LT(best, temper(logits, truths, 3 * temperature * 1.01).loss);
  EXPECT_LT(best, temper(logits, truths, 3 * temperature / 1.01).loss);
}

TEST(TemperatureTest, HasBoundsWhereThereIsNoBest) {
  const std::vector<float> logits = {1, 0, 0, 1};
  EXPECT_NEAR(fit_temperature(logits, std::vector<int>{0, 1}), 0.01, 1e-3) << "all right: the surer the better";
  EXPECT_NEAR(fit_temperature(logits, std::vector<int>{1, 0}), 100, 1) << "all wrong";
  EXPECT_DOUBLE_EQ(fit_temperature({}, {}), 1);
}

TEST(RecorderTest, KeepsTheMostConfidentMistakes) {
  Recorder recorder(2);
  const std::string paths[] = {"a", "b", "c", "d"};
  const float scores[] = {1, 5, 3, 9};
  for (int i = 0; i < 4; ++i) {
    const std::vector<float> logits = {scores[i], 0};
    const std::vector<float> input = {static_cast<float>(i)};
    recorder.add({paths[i], i == 3 ? 0 : 1, logits, input});  // the last one is right
  }
  ASSERT_EQ(recorder.mistakes().size(), 2U);
  EXPECT_EQ(recorder.mistakes()[0].verdict.path, "b");
  EXPECT_EQ(recorder.mistakes()[1].verdict.path, "c");
  EXPECT_EQ(recorder.mistakes()[1].input, std::vector<float>{2});
  EXPECT_EQ(recorder.verdicts().size(), 4U);
}

TEST(RecorderTest, ScoresThatAreNoNumbersRankLast) {
  const std::string path = "x";
  const std::vector<float> logits = {std::nanf(""), -3, -1};
  EXPECT_EQ(judge({path, 0, logits, {}}).predicted, 2);
  Evaluation evaluation;
  evaluation.add(logits, 2);
  EXPECT_EQ(evaluation.wrong_top1, 0);
  const std::vector<float> nonsense(3, std::nanf(""));
  for (int truth = 0; truth < 3; ++truth) EXPECT_FALSE(judge({path, truth, nonsense, {}}).right()) << truth;
  Recorder recorder(1);
  recorder.add({path, 0, logits, {}});
  EXPECT_TRUE(recorder.truths().empty()) << "no probabilities to calibrate";
}

TEST(ComparerTest, CountsTheFourCases) {
  const std::string paths[] = {"a", "b", "c", "d", "e"};
  std::vector<PictureVerdict> first;
  for (int i = 0; i < 4; ++i) first.push_back({paths[i], 0, i < 2 ? 0 : 1, 0.9F});  // right: a, b
  Comparer comparer(first);
  for (int i = 0; i < 5; ++i) {
    const std::vector<float> logits = {i % 2 == 0 ? 1.0F : 0.0F, 0.5F};  // right: a, c, e
    comparer.add({paths[i], 0, logits, {}});
  }
  EXPECT_THROW(comparer.add({paths[0], 1, std::vector<float>{1, 0}, {}}), Error) << "taken for two classes";
  Comparison comparison;
  comparer.finish(comparison);
  EXPECT_EQ(comparison.both_right, 1);
  EXPECT_EQ(comparison.only_a, 1);
  EXPECT_EQ(comparison.only_b, 1);
  EXPECT_EQ(comparison.both_wrong, 1);
  EXPECT_EQ(comparison.same_answer, 2);
  EXPECT_DOUBLE_EQ(comparison.p_value, 1);
  EXPECT_EQ(comparer.only_b_wrong().at(0).verdict.path, "b");
  EXPECT_EQ(comparer.only_a_wrong().at(0).verdict.path, "c");
}

TEST(PictureOfTest, UndoesPreprocessing) {
  Image image{3, 2, 3, {}};
  for (int i = 0; i < 18; ++i) image.pixels.push_back(static_cast<std::uint8_t>(i * 14));
  Preprocessing how = preset("cifar");
  how.width = 3;
  how.height = 2;
  std::vector<float> values(18);
  preprocess(image, how, values);
  EXPECT_EQ(picture_of(values, {1, 3, 2, 3}, how).pixels, image.pixels);
}

}  // namespace
}  // namespace resnet
