#include "base/deferred_bytes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "base/error.h"

namespace resnet {
namespace {

TEST(DeferredBytesTest, FillsOnceWhenSomebodyAsks) {
  std::atomic<int> fills = 0;
  const auto bytes = DeferredBytes::make(
      1000,
      [&](std::span<std::byte> out) {
        ++fills;
        std::ranges::fill(out, std::byte{7});
      },
      "here");
  EXPECT_EQ(bytes->range().size(), 1000U);
  EXPECT_EQ(fills, 0);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { EXPECT_EQ(bytes->load(bytes->range().subspan(10, 1))[0], std::byte{7}); });
  }
  for (std::thread& thread : threads) thread.join();
  std::byte copied[2];
  bytes->copy(bytes->range().last(2), copied);
  EXPECT_EQ(copied[1], std::byte{7});
  EXPECT_EQ(fills, 1);
  EXPECT_EQ(ByteSource::of(bytes), bytes.get());
}

TEST(DeferredBytesTest, ThrowsToEveryoneWhoAsks) {
  const auto bytes = DeferredBytes::make(
      8, [](std::span<std::byte>) { fail(ErrorCode::kFormat, "here", "is damaged"); }, "here");
  for (int i = 0; i < 2; ++i) EXPECT_THROW(bytes->load(bytes->range()), Error);
}

TEST(DeferredBytesTest, MayBeEmpty) {
  const auto bytes = DeferredBytes::make(
      0, [](std::span<std::byte> out) { EXPECT_TRUE(out.empty()); }, "here");
  EXPECT_TRUE(bytes->load(bytes->range()).empty());
}

}  // namespace
}  // namespace resnet
