#include "kernels/weight_rule.h"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace resnet {
namespace {

using Sets = std::vector<WeightLimits::Set>;

TEST(WeightRule, SetsAreTheLanesOfTwoWords) {
  const WeightLimits limits = weight_limits(WeightRule::kShort, {1, 8, 1, 1}, 0);
  EXPECT_EQ(limits.sets, (Sets{{0, 1, 4, 5}, {2, 3, 6, 7}}));
  EXPECT_EQ(limits.most, 128);
}

TEST(WeightRule, SetsBelongToOneTap) {
  // 10 channels of 2 x 2 taps: weight channel * 4 + tap.
  const WeightLimits limits = weight_limits(WeightRule::kShort, {1, 10, 2, 1}, 0);
  ASSERT_EQ(limits.sets.size(), 4 * 3);  // channels 8 and 9 make a set that has but two
  EXPECT_EQ(limits.sets[0], (WeightLimits::Set{0, 4, 16, 20}));
  EXPECT_EQ(limits.sets[1], (WeightLimits::Set{8, 12, 24, 28}));
  EXPECT_EQ(limits.sets[2], (WeightLimits::Set{32, 36, -1, -1}));
  EXPECT_EQ(limits.sets[3], (WeightLimits::Set{1, 5, 17, 21}));
}

// The second group's channels 4 to 7 stand where they do among all channels.
TEST(WeightRule, GroupsKeepTheirPlace) {
  const WeightLimits limits = weight_limits(WeightRule::kShort, {4, 8, 1, 2}, 2);
  EXPECT_EQ(limits.sets, (Sets{{-1, -1, 0, 1}, {-1, -1, 2, 3}}));
}

TEST(WeightRule, KeepsUpToTheLimitOfEachSign) {
  const WeightShape shape = {1, 8, 1, 1};
  const std::vector<std::int8_t> weights = {127, 1, -100, -28, -128, 0, 100, 28};
  EXPECT_TRUE(keeps(WeightRule::kShort, shape, weights));
  const std::pair<int, std::int8_t> kChanges[] = {{1, 2}, {2, -101}, {3, -29}, {5, 1}, {5, -1}, {6, 101}, {7, 29}};
  for (const auto& [index, weight] : kChanges) {
    std::vector<std::int8_t> more = weights;
    more[index] = weight;
    EXPECT_FALSE(keeps(WeightRule::kShort, shape, more)) << index;
    EXPECT_TRUE(keeps(WeightRule::kNone, shape, more)) << index;
  }
}

TEST(WeightRule, AsksNothingWhereItWouldBringNothing) {
  const WeightShape shape = {1, 7, 1, 1};
  EXPECT_EQ(weight_limits(WeightRule::kShort, shape, 0).most, 4 * 127);
  EXPECT_FALSE(keeps(WeightRule::kShort, shape, std::vector<std::int8_t>(7)));
  EXPECT_EQ(weight_limits(WeightRule::kNone, {1, 8, 1, 1}, 0).most, 4 * 127);
}

}  // namespace
}  // namespace resnet
