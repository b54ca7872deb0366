#include "recipe/defaults.h"

#include <gtest/gtest.h>

namespace resnet {
namespace {

TEST(DefaultsTest, BatchesSuitTheSetThePicturesAndTheProcesses) {
  EXPECT_EQ(fitting_batch(50'000, 32, 1, 1), 128);
  EXPECT_EQ(fitting_batch(50'000, 224, 1, 1), 32);
  EXPECT_EQ(fitting_batch(200, 32, 1, 1), 25);
  EXPECT_EQ(fitting_batch(200, 32, 20, 1), 10);
  EXPECT_EQ(fitting_batch(200, 32, 1, 3), 24);
  EXPECT_EQ(fitting_batch(9, 32, 1, 4), 4);
  EXPECT_EQ(fitting_batch(3, 32, 1, 1), 2);
  EXPECT_EQ(fitting_batch(1, 32, 1, 1), 1);
  for (std::int64_t pictures = 1; pictures < 3000; ++pictures) {  // an epoch has a step
    const std::int64_t batch = fitting_batch(pictures, 224, 1, 1);
    EXPECT_TRUE(batch >= 1 && batch <= pictures) << pictures;
  }
}

TEST(DefaultsTest, RatesGoWithTheBatch) {
  EXPECT_DOUBLE_EQ(fitting_lr(128, false), 0.1);
  EXPECT_DOUBLE_EQ(fitting_lr(32, false), 0.025);
  EXPECT_DOUBLE_EQ(fitting_lr(1024, false), 0.1);
  EXPECT_DOUBLE_EQ(fitting_lr(32, true), 0.01);
}

TEST(DefaultsTest, EpochsEndWithinAnHour) {
  EXPECT_EQ(fitting_epochs(60, false), 60);
  EXPECT_EQ(fitting_epochs(100, false), 36);
  EXPECT_EQ(fitting_epochs(1e5, false), 1);
  EXPECT_EQ(fitting_epochs(0, false), 90);
  EXPECT_EQ(fitting_epochs(1, true), 15);
  EXPECT_DOUBLE_EQ(epoch_seconds(1000, 300, 100), 13.2);
}

}  // namespace
}  // namespace resnet
