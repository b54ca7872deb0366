#include "engine/arena.h"

#include <gtest/gtest.h>

#include <random>

namespace resnet {
namespace {

// Two values in turn, as in a chain of layers, need the room of the two largest neighbours.
TEST(ArenaTest, AChainNeedsTwoBuffers) {
  const ArenaLayout layout = lay_out({{10, 0, 1}, {20, 1, 2}, {10, 2, 3}, {20, 3, 4}, {5, 4, 4}});
  EXPECT_EQ(layout.size, 30U);
}

TEST(PropertyArena, ValuesThatLiveTogetherDoNotOverlap) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<ArenaRequest> values(random() % 40);
    std::size_t total = 0;
    for (ArenaRequest& value : values) {
      value = {random() % 50, static_cast<int>(random() % 30), 0};
      value.last = value.first + static_cast<int>(random() % 6);
      total += value.size;
    }
    const ArenaLayout layout = lay_out(values);
    EXPECT_LE(layout.size, total);
    for (std::size_t a = 0; a < values.size(); ++a) {
      EXPECT_LE(layout.offsets[a] + values[a].size, layout.size);
      for (std::size_t b = 0; b < a; ++b) {
        const bool apart_in_time = values[a].last < values[b].first || values[b].last < values[a].first;
        const bool apart_in_memory = layout.offsets[a] + values[a].size <= layout.offsets[b] ||
                                     layout.offsets[b] + values[b].size <= layout.offsets[a];
        EXPECT_TRUE(apart_in_time || apart_in_memory);
      }
    }
  }
}

}  // namespace
}  // namespace resnet
