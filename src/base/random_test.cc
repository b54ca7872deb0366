#include "base/random.h"

#include <gtest/gtest.h>

namespace resnet {
namespace {

// Of the published algorithm with a state filled by splitmix64 from zero.
TEST(RandomTest, IsXoshiro256PlusPlus) {
  Random random(0);
  EXPECT_EQ(random.bits(), 5987356902031041503U);
  EXPECT_EQ(random.bits(), 7051070477665621255U);
  EXPECT_EQ(random.bits(), 6633766593972829180U);
  EXPECT_EQ(random.bits(), 211316841551650330U);
}

TEST(RandomTest, HasTheMomentsOfItsDistributions) {
  Random random(1);
  constexpr int kCount = 100'000;
  double sum = 0;
  double squares = 0;
  double fourths = 0;
  double uniform = 0;
  for (int i = 0; i < kCount; ++i) {
    const double x = random.normal();
    sum += x;
    squares += x * x;
    fourths += x * x * x * x;
    const double u = random.uniform();
    ASSERT_TRUE(u >= 0 && u < 1);
    uniform += u;
  }
  EXPECT_NEAR(sum / kCount, 0, 0.015);  // five standard deviations of each estimate
  EXPECT_NEAR(squares / kCount, 1, 0.025);
  EXPECT_NEAR(fourths / kCount, 3, 0.16);
  EXPECT_NEAR(uniform / kCount, 0.5, 0.005);
}

}  // namespace
}  // namespace resnet
