#include "evaluate/evaluate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>

#include "evaluate/calibration.h"
#include "evaluate/compare.h"
#include "model/imagenet_classes.h"

namespace resnet {
namespace {

using ::testing::HasSubstr;

// A network of a few kilobytes whose output is its last bias: `favourite` scores highest.
Model tiny_model(int classes, int favourite = 0) {
  Model model;
  Architecture& a = model.architecture;
  a.block = Block::kBasic;
  a.depths = {1};
  a.widths = {4};
  a.stem = Stem::kCifar;
  a.stem_width = 4;
  a.classes = classes;
  for (const Parameter& parameter : parameters(expand(a))) {
    model.weights.add(parameter.name, Tensor::zeros(parameter.dtype, parameter.shape));
  }
  std::vector<float> bias(static_cast<std::size_t>(classes));
  bias[favourite] = 1;
  model.weights.set("fc.bias", Tensor::from(bias, {classes}));
  model.preprocessing = preset("cifar");
  return model;
}

ClassifierOptions one_thread() {
  ClassifierOptions options;
  options.engine.threads = 1;
  return options;
}

Classifier classifier_of(std::vector<std::string> names, int classes) {
  Model model = tiny_model(classes);
  model.classes = std::move(names);
  return Classifier(std::move(model), one_thread());
}

std::string error_of(const Classifier& classifier, const std::vector<std::string>& labels, bool indices = false) {
  try {
    const ClassMap map(classifier, labels, indices);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(ClassMapTest, MatchesNames) {
  const Classifier classifier = classifier_of({"dog", "cat", "1"}, 3);
  const std::vector<std::string> labels = {"1", "cat"};
  const ClassMap map(classifier, labels, false);
  EXPECT_EQ(map.at("cat"), 1);
  EXPECT_EQ(map.at("1"), 2);
  EXPECT_FALSE(map.alphabetical());
  EXPECT_THAT(error_of(classifier, {"cat", "dogg"}),
              HasSubstr("1 of 2 labels fit no class of the model: 'dogg'; did you mean 'dog'?"));
  EXPECT_THAT(error_of(classifier, {"a", "b", "c", "d", "e"}), HasSubstr("'a', 'b', 'c' and 2 more"));
  EXPECT_THAT(error_of(classifier_of({"a", "a"}, 2), {"a"}), HasSubstr("two classes of the model are named 'a'"));
}

TEST(ClassMapTest, TakesIndicesOfLabelsFiles) {
  const std::vector<std::string> labels = {"0", "2", "cat"};
  const ClassMap map(classifier_of({"dog", "cat", "cow"}, 3), labels, true);
  EXPECT_EQ(map.at("2"), 2);
  EXPECT_EQ(map.at("cat"), 1);
  const std::vector<std::string> numbers = {"0", "10", "2"};
  const ClassMap unnamed(classifier_of({}, 11), numbers, true);
  EXPECT_EQ(unnamed.at("10"), 10);
  EXPECT_FALSE(unnamed.alphabetical());
  EXPECT_THAT(error_of(classifier_of({"dog", "cat"}, 2), {"2"}, true), HasSubstr("'2'"));
  EXPECT_THAT(error_of(classifier_of({"dog", "cat"}, 2), {"0"}), HasSubstr("'0'")) << "a folder";
}

TEST(ClassMapTest, TakesUnnamedClassesInAlphabeticalOrder) {
  const std::vector<std::string> labels = {"10", "2", "cat"};
  const ClassMap map(classifier_of({}, 3), labels, false);
  EXPECT_TRUE(map.alphabetical());
  EXPECT_EQ(map.at("10"), 0);
  EXPECT_EQ(map.at("cat"), 2);
  EXPECT_THAT(error_of(classifier_of({}, 2), labels), HasSubstr("3 classes in the data, but the model has 2 outputs"));
}

TEST(ClassMapTest, KnowsImageNet) {
  const std::vector<std::string> labels = {"n01440764", "n15075141", "tabby"};
  const ClassMap map(classifier_of({}, 1000), labels, false);
  EXPECT_EQ(map.at("n01440764"), 0);
  EXPECT_EQ(map.at("n15075141"), 999);
  EXPECT_EQ(map.at("tabby"), 281);
  EXPECT_THAT(error_of(classifier_of({}, 1000), {"n00000001"}), HasSubstr("'n00000001'"));
  EXPECT_THAT(error_of(classifier_of({"a", "b"}, 2), {"n01440764"}), HasSubstr("'n01440764'"));
}

TEST(ClassMapTest, TakesFoldersThatAreNumbersByIndex) {
  using Assumption = ClassMap::Assumption;
  const auto map_of = [](const Classifier& classifier, const std::vector<std::string>& labels) {
    return ClassMap(classifier, labels, false);
  };
  const ClassMap three = map_of(classifier_of({"dog", "cat", "cow"}, 3), {"0", "1", "2"});
  EXPECT_EQ(three.at("2"), 2);
  EXPECT_EQ(three.assumption(), Assumption::kIndices);
  EXPECT_EQ(map_of(classifier_of({"dog", "cat", "cow"}, 3), {"00", "01", "02"}).at("01"), 1);
  const Classifier named = classifier_of({"dog", "1", "cow"}, 3);
  EXPECT_THAT(error_of(named, {"0", "1", "2"}), HasSubstr("2 of 3 labels fit no class")) << "1 is a name";
  const Classifier dogs = classifier_of({"dog", "cat", "cow"}, 3);
  EXPECT_THAT(error_of(dogs, {"0", "1"}), HasSubstr("'0', '1'")) << "not all that there are";
  EXPECT_THAT(error_of(dogs, {"1", "2", "3"}), HasSubstr("'1', '2', '3'"));
  EXPECT_THAT(error_of(dogs, {"0", "1", "01"}), HasSubstr("3 of 3"));

  std::vector<std::string> numbers;
  for (int i = 0; i < 1000; ++i) numbers.push_back(std::to_string(i));
  std::sort(numbers.begin(), numbers.end());
  const Classifier imagenet = classifier_of({}, 1000);
  const ClassMap all = map_of(imagenet, numbers);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(all.at(std::to_string(i)), i);
  const ClassMap some = map_of(imagenet, {"7", "999"});
  EXPECT_EQ(some.at("7"), 7);
  EXPECT_EQ(some.assumption(), Assumption::kIndices);
  EXPECT_THAT(error_of(imagenet, {"7", "1000"}), HasSubstr("'1000'"));
  EXPECT_THAT(error_of(imagenet, {"7", "tench"}), HasSubstr("'7'"));
}

TEST(ClassMapTest, KnowsImageNetHoweverItIsSpelt) {
  using Assumption = ClassMap::Assumption;
  std::vector<std::string> names = imagenet_class_names();
  for (std::string& name : names) {
    name[0] = static_cast<char>(std::toupper(name[0]));
    std::replace(name.begin(), name.end(), ' ', '_');
    name += ", and another word";
  }
  names[134] = names[517] = "crane";  // lists have it twice
  const std::vector<std::string> labels = {"n01440764", "n15075141"};
  const ClassMap map(classifier_of(names, 1000), labels, false);
  EXPECT_EQ(map.at("n15075141"), 999);
  EXPECT_EQ(map.assumption(), Assumption::kNone);
  EXPECT_THAT(error_of(classifier_of(names, 1000), {"crane"}), HasSubstr("two classes of the model are named 'crane'"));

  const std::vector<std::string> numbers = {"0", "999"};
  EXPECT_EQ(ClassMap(classifier_of(imagenet_wordnet_ids(), 1000), numbers, false).at("999"), 999);

  for (std::size_t i = 0; i < names.size(); ++i) names[i] = "class " + std::to_string(i);
  const ClassMap other(classifier_of(names, 1000), labels, false);
  EXPECT_EQ(other.at("n15075141"), 999);
  EXPECT_EQ(other.assumption(), Assumption::kWordNet) << "to be told to people";
  EXPECT_THAT(error_of(classifier_of(names, 1000), {"n01440764", "n00000001"}),
              HasSubstr("1 of 2 labels fit no class of the model: 'n00000001'"));
}

TEST(EvaluationTest, Counts) {
  Evaluation result;
  const std::vector<float> logits = {1, 2, 3, 4, 5, 6};
  result.add(logits, 5);  // first
  result.add(logits, 1);  // fifth
  result.add(logits, 0);  // sixth
  EXPECT_EQ(result.images, 3);
  EXPECT_EQ(result.wrong_top1, 2);
  EXPECT_EQ(result.wrong_top5, 1);
  EXPECT_DOUBLE_EQ(result.top1(), 1.0 / 3);
  EXPECT_DOUBLE_EQ(result.top5(), 2.0 / 3);
  const double log_sum = std::log(std::exp(1) + std::exp(2) + std::exp(3) + std::exp(4) + std::exp(5) + std::exp(6));
  EXPECT_NEAR(result.loss, log_sum - (6 + 2 + 1) / 3.0, 1e-12);
}

TEST(EvaluationTest, RanksEqualScoresInOrder) {
  const auto wrong = [](std::vector<float> logits, int truth) {
    Evaluation result;
    result.add(logits, truth);
    return result.wrong_top1;
  };
  EXPECT_EQ(wrong({1, 1, 0}, 0), 0);
  EXPECT_EQ(wrong({1, 1, 0}, 1), 1);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(wrong({nan, nan}, 0), 1) << "a network that computes nonsense is never right";
}

TEST(EvaluationTest, LossOfLargeScoresIsFinite) {
  Evaluation result;
  result.add(std::vector<float>{1e4F, -1e4F}, 1);
  EXPECT_DOUBLE_EQ(result.loss, 2e4);
}

// A .npy array of a 3x32x32 tensor, which needs no decoder.
std::vector<std::byte> array_bytes() {
  std::string text = "\x93NUMPY\x01";
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 32, 32), }";
  header.resize(117, ' ');
  header += '\n';
  text += std::string("\0\x76\0", 3) + header + std::string(3 * 32 * 32 * 4, '\0');
  const auto* first = reinterpret_cast<const std::byte*>(text.data());
  return {first, first + text.size()};
}

// Arrays of alternating labels; every `bad_step`-th is no array.
class ArraySource : public Source {
 public:
  ArraySource(int count, int bad_step) : count_(count), bad_step_(bad_step) {}
  std::optional<Item> next() override {
    if (next_ == count_) return std::nullopt;
    const int i = next_++;
    Item item{std::to_string(i) + ".npy", i % 2 ? "dog" : "cat", array_bytes(), {}};
    if (bad_step_ > 0 && i % bad_step_ == bad_step_ - 1) item.bytes->resize(50);
    return item;
  }

 private:
  int count_;
  int bad_step_;
  int next_ = 0;
};

class EvaluateTest : public ::testing::Test {
 protected:
  Classifier classifier_ = classifier_of({"cat", "dog"}, 2);
  std::vector<std::string> labels_ = {"cat", "dog"};
  ClassMap classes_{classifier_, labels_, false};
  EvaluateOptions options_;
};

TEST_F(EvaluateTest, RunsBatchesOfAnySize) {
  for (const int batch : {1, 4, 7, 100}) {
    options_.batch = batch;
    ArraySource source(21, 0);
    const Evaluation result = evaluate(classifier_, source, classes_, options_);
    EXPECT_EQ(result.images, 21);
    EXPECT_EQ(result.wrong_top1, 10) << "it says cat to everything";
    EXPECT_EQ(result.wrong_top5, 0);
    EXPECT_GT(result.images_per_second(), 0);
  }
}

TEST_F(EvaluateTest, StopsAtTheLimit) {
  options_.limit = 5;
  ArraySource source(21, 0);
  EXPECT_EQ(evaluate(classifier_, source, classes_, options_).images, 5);
}

TEST_F(EvaluateTest, StopsAtABadPictureOrCountsIt) {
  ArraySource first(21, 5);
  EXPECT_THROW(evaluate(classifier_, first, classes_, options_), Error);
  std::vector<std::string> reported;
  options_.skip_bad = true;
  options_.skipped = [&](const Error& error) { reported.push_back(error.where()); };
  ArraySource second(21, 5);
  const Evaluation result = evaluate(classifier_, second, classes_, options_);
  EXPECT_EQ(result.images, 17);
  EXPECT_EQ(result.skipped, 4);
  ASSERT_EQ(reported.size(), 4U);
  EXPECT_THAT(reported[0], HasSubstr("4.npy"));
}

TEST(VerdictTest, SaysWhatMcNemarsTestSays) {
  Comparison c;
  EXPECT_EQ(verdict_of(c), "They are right on the same pictures");
  c.only_a = 3;
  c.only_b = 5;
  c.p_value = 0.73;
  EXPECT_EQ(verdict_of(c), "The difference may be chance: of the pictures that only one has right A has 3 and B 5");
  c.only_b = 30;
  c.p_value = 1e-5;
  EXPECT_EQ(verdict_of(c),
            "B is better beyond what chance explains: of the pictures that only one has right A has 3 and B 30");
}

TEST(VerdictTest, ATemperatureThatWouldMakeItWorseIsNotOffered) {
  const Reliability before{{}, 0.02};
  EXPECT_FALSE(less_error(Reliability{{}, 0.03}, before));
  EXPECT_FALSE(less_error(before, before));
  EXPECT_TRUE(less_error(Reliability{{}, 0.01}, before));
}

}  // namespace
}  // namespace resnet
