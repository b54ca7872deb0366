#include "weights/nonfinite.h"

#include <gtest/gtest.h>

#include <limits>

namespace resnet {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

Tensor with(std::int64_t count, std::vector<std::int64_t> places) {
  Tensor tensor = Tensor::zeros(DType::kF32, {count});
  for (const std::int64_t place : places) tensor.mutable_f32()[static_cast<std::size_t>(place)] = kInfinity;
  return tensor;
}

TEST(NonfiniteTest, NamesTensorsInTheirOrder) {
  StateDict tensors;
  tensors.add("z", with(3, {1}));
  tensors.add("whole", with(5, {}));
  tensors.add("none", Tensor::zeros(DType::kF32, {0}));
  tensors.add("a", with(9408, {0, 7, 9407}));
  const auto found = find_nonfinite(tensors);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].name, "z");
  EXPECT_EQ(found[0].nonfinite, 1);
  EXPECT_EQ(found[1].values, 9408);
  EXPECT_EQ(describe(found),
            "2 tensors have values that are not finite (NaN, infinite, or beyond float32): z (1 of 3), a (3 of 9,408)");
  EXPECT_EQ(describe(std::span(found).first(1)),
            "1 tensor has values that are not finite (NaN, infinite, or beyond float32): z (1 of 3)");
  EXPECT_TRUE(find_nonfinite({}).empty());
}

TEST(NonfiniteTest, LooksThroughAllOfLargeTensors) {
  constexpr std::int64_t kCount = 12'000'001;  // many parts, for several threads
  StateDict tensors;
  tensors.add("first", with(kCount, {0, 262'143, 262'144, 6'000'000, kCount - 1}));
  tensors.add("second", with(kCount, {kCount / 2}));
  const auto found = find_nonfinite(tensors);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[0].nonfinite, 5);
  EXPECT_EQ(found[1].nonfinite, 1);
}

// A file of some megabytes may say a million times that one storage is a tensor.
TEST(NonfiniteTest, LooksOnceAtWhatManyTensorsShare) {
  const Tensor shared = with(1'000'000, {5});
  StateDict tensors;
  for (int i = 0; i < 20'000; ++i) tensors.add(std::to_string(i), shared);
  const auto found = find_nonfinite(tensors);
  ASSERT_EQ(found.size(), 20'000U);
  EXPECT_EQ(found.back().nonfinite, 1);
  EXPECT_TRUE(describe(found).ends_with(", 9 (1 of 1,000,000), and 19990 more")) << describe(found);
}

}  // namespace
}  // namespace resnet
