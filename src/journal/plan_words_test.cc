#include "journal/plan_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "resnet/architecture.h"

namespace resnet {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

RunPlan small_plan() {
  RunPlan plan;
  plan.recipe.data = "photos";
  plan.recipe.val = "0.25";
  plan.recipe.batch = 8;
  plan.recipe.epochs = 3;
  plan.recipe.lr = 0.05;
  plan.pictures = 54;
  plan.val_pictures = 18;
  plan.classes = {"ant", "bee", "cow"};
  plan.preprocessing = preset(Preset::kCifar);
  plan.architecture = find_architecture("resnet20");
  plan.parameters = 270'000;
  plan.device = "cpu";
  plan.threads = 2;
  plan.steps = 6;
  plan.model_bytes = 1'100'000;
  plan.checkpoint_bytes = 2'200'000;
  plan.out = "run";
  return plan;
}

std::string line(const RunPlan& plan, const std::string& what) {
  for (const PlanLine& line : plan_words(plan)) {
    if (line.what == what) return line.text;
  }
  return "";
}

TEST(PlanWordsTest, SaysWhatARunWillBe) {
  const RunPlan plan = small_plan();
  EXPECT_EQ(line(plan, "data"), "photos: 54 pictures of 3 classes: ant, bee, cow");
  EXPECT_EQ(line(plan, "validation"), "18 pictures, 0.25 of each class, drawn by seed 0");
  EXPECT_THAT(line(plan, "input"), HasSubstr("32x32, as the pictures are; RGB, mean 0."));
  EXPECT_EQ(line(plan, "changes"), "random crops of 8 % of the area or more, flips");
  EXPECT_EQ(line(plan, "network"), "resnet20, 270,000 parameters, first weights drawn by seed 0");
  EXPECT_EQ(line(plan, "machine"), "cpu, 2 threads, fp32");
  EXPECT_EQ(line(plan, "training"),
            "3 epochs of 6 steps of 8 pictures; 6 pictures left over in each epoch, others each time");
  EXPECT_EQ(line(plan, "rate"), "SGD, 0.05 at most, cosine");
  EXPECT_EQ(line(plan, "chosen"), "");
  EXPECT_EQ(line(plan, "time"), "");
  EXPECT_EQ(line(plan, "output"),
            "run: best.safetensors (1.1 MB), the last 3 checkpoints (2.2 MB each), metrics.csv, report.html");
}

TEST(PlanWordsTest, SaysWhereNothingValidates) {
  RunPlan plan = small_plan();
  plan.recipe.val = "";
  EXPECT_EQ(line(plan, "validation"), "18 pictures that the data bring");
  plan.recipe.val = "other";
  plan.unvalidated = {"bee"};
  EXPECT_EQ(line(plan, "validation"), "18 pictures of other; none of bee");
  plan.val_pictures = 0;
  EXPECT_THAT(line(plan, "validation"), HasSubstr("none, so nobody knows how good the network is"));
}

TEST(PlanWordsTest, SaysWhatIsNotLearnedFrom) {
  RunPlan plan = small_plan();
  EXPECT_EQ(left_over(plan), 6);
  plan.recipe.shuffle = false;
  EXPECT_THAT(line(plan, "training"), EndsWith("; the last 6 pictures are never learned from, as nothing is shuffled"));
  plan.recipe.accumulate = 3;
  plan.steps = 2;
  EXPECT_THAT(line(plan, "training"), HasSubstr("3 epochs of 2 steps of 3 batches of 8 pictures; "));
  plan.pictures = 48;
  EXPECT_THAT(line(plan, "training"), Not(HasSubstr(";")));
}

TEST(PlanWordsTest, SaysWhereItStartsFromAndWhatWasChosen) {
  RunPlan plan = small_plan();
  plan.recipe.from = "model.safetensors";
  plan.recipe.freeze = {"stem"};
  plan.new_head = true;
  EXPECT_EQ(line(plan, "network"),
            "resnet20, 270,000 parameters, weights of model.safetensors, a new head for these classes; frozen: stem");
  plan.chosen = {"epochs", "batch"};
  plan.seconds = 2400;
  EXPECT_EQ(line(plan, "chosen"), "epochs, batch to suit data and machine; --epochs, --batch would say otherwise");
  EXPECT_EQ(line(plan, "time"), "about 40 min, measured just now");
  plan.recipe.epochs = 1;
  plan.seconds = 7200;
  EXPECT_EQ(line(plan, "time"),
            "about 2.0 h, measured just now, for one epoch alone: a smaller --size or another --arch takes less");
}

TEST(PlanWordsTest, NamesFewOfManyClasses) {
  RunPlan plan = small_plan();
  plan.classes.assign(1000, "x");
  EXPECT_THAT(line(plan, "data"), EndsWith("of 1,000 classes: x, x, x, x, x, x, x, x and 992 more"));
}

TEST(PlanWordsTest, Bytes) {
  EXPECT_EQ(bytes_words(0), "0.01 MB");
  EXPECT_EQ(bytes_words(1'250'000), "1.2 MB");
  EXPECT_EQ(bytes_words(44'000'000), "44 MB");
  EXPECT_EQ(bytes_words(3'300'000'000), "3.3 GB");
}

}  // namespace
}  // namespace resnet
