#include "base/error.h"

#include <gtest/gtest.h>

namespace resnet {
namespace {

TEST(ErrorTest, CodesHaveNames) {
  EXPECT_EQ(name(ErrorCode::kInvalidArgument), "invalid_argument");
  EXPECT_EQ(name(ErrorCode::kNotFound), "not_found");
  EXPECT_EQ(name(ErrorCode::kMismatch), "mismatch");
  EXPECT_EQ(name(static_cast<ErrorCode>(99)), "unknown");
}

}  // namespace
}  // namespace resnet
