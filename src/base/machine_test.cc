#include "base/machine.h"

#include <gtest/gtest.h>

namespace resnet {
namespace {

TEST(MachineTest, HasACache) {
  EXPECT_GE(machine().second_level_cache, 64 << 10);
  EXPECT_LE(machine().second_level_cache, 256 << 20);
  EXPECT_EQ(&machine(), &machine());
}

}  // namespace
}  // namespace resnet
