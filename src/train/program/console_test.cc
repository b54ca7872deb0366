#include "train/program/console.h"

#include <gtest/gtest.h>

#include "console/numbers.h"

namespace resnet::cli {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

const StepProgress kHalf{.epoch = 2,
                         .epochs = 3,
                         .batch = 4,
                         .batches = 8,
                         .loss = 0.5,
                         .top1 = 0.25,
                         .images_per_second = 10,
                         .seconds_left = 61};

std::string said(ProgressLine& line, bool clear = false) {
  ::testing::internal::CaptureStderr();
  line.show(kHalf);
  if (clear) line.clear();
  return ::testing::internal::GetCapturedStderr();
}

TEST(ProgressLineTest, IsALineOfItsOwnWhereThereIsNoTerminal) {
  ProgressLine line(/*terminal=*/false, seconds(0));
  line.set_title("plain20  ");
  EXPECT_EQ(said(line, /*clear=*/true),
            "plain20  epoch 2/3  batch 4/8  loss 0.5000  top-1 25.00 %  10.0 pictures/s  1:01 left\n");
}

TEST(ProgressLineTest, IsWrittenOverOnATerminal) {
  ProgressLine line(/*terminal=*/true, seconds(0));
  EXPECT_EQ(said(line, /*clear=*/true),
            "\repoch 2/3  batch 4/8  loss 0.5000  top-1 25.00 %  10.0 pictures/s  1:01 left\033[K\r\033[K");
}

TEST(ProgressLineTest, WaitsBetweenLines) {
  ProgressLine line(/*terminal=*/false, hours(1));
  EXPECT_EQ(said(line), "");
  ProgressLine usual;
  EXPECT_EQ(said(usual), "");
}

TEST(DurationTest, HasHoursWhereThereAreSome) {
  EXPECT_EQ(duration(59.9), "0:59");
  EXPECT_EQ(duration(3723), "1:02:03");
}

}  // namespace
}  // namespace resnet::cli
