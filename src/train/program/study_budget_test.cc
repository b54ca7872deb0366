#include "train/program/study_budget.h"

#include <gtest/gtest.h>

namespace resnet::cli {
namespace {

TEST(StudyBudgetTest, CountsWhatIsLeftAtTheSpeedSoFar) {
  StudyBudget budget;
  const std::size_t small = budget.add(/*macs=*/100, /*epochs_left=*/2);
  const std::size_t large = budget.add(300, 2);
  budget.add(1000, 0);  // was over before
  EXPECT_EQ(budget.seconds_left(), 0);
  budget.finish_epoch(small, /*seconds=*/10, /*epochs_left=*/1);
  EXPECT_DOUBLE_EQ(budget.seconds_left(), 10 + 2 * 30);
  budget.finish_epoch(small, 10, 0);
  EXPECT_DOUBLE_EQ(budget.seconds_left(), 2 * 30);
  budget.finish_epoch(large, 50, 1);  // slower than the small one: 70 s for 500 so far
  EXPECT_DOUBLE_EQ(budget.seconds_left(), 300 * 70.0 / 500);
  budget.finish(large);
  EXPECT_EQ(budget.seconds_left(), 0);
}

}  // namespace
}  // namespace resnet::cli
