#include "base/nearest.h"

#include <gtest/gtest.h>

namespace resnet {
namespace {

const std::vector<std::string> kCommands = {"draw", "predict", "eval", "summary"};

TEST(NearestTest, OrdersByWhatWasMistyped) {
  const std::vector<std::string> names = {"resnet18", "resnet50", "resnet152"};
  EXPECT_EQ(nearest("resent50", names, 1), std::vector<std::string>{"resnet50"});
  EXPECT_EQ(nearest("resnet5", names, 2), (std::vector<std::string>{"resnet50", "resnet18"}));
}

TEST(NearestTest, WhatIsFarIsNoSuggestion) {
  EXPECT_TRUE(nearest("help", kCommands, 3).empty());
  EXPECT_TRUE(nearest("", kCommands, 3).empty());
  EXPECT_TRUE(nearest("x", {}, 1).empty());
  EXPECT_EQ(nearest("evla", kCommands, 3), std::vector<std::string>{"eval"});
}

TEST(NearestTest, TheEndOfAnError) {
  EXPECT_EQ(did_you_mean("sumary", kCommands), "; did you mean summary?");
  EXPECT_EQ(did_you_mean("sumary", kCommands, 2, "'"), "; did you mean 'summary'?");
  EXPECT_EQ(did_you_mean("zebra", kCommands), "");
}

}  // namespace
}  // namespace resnet
