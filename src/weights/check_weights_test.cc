#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "resnet/error.h"
#include "resnet/graph.h"
#include "resnet/model_file.h"
#include "weights/test_models.h"

namespace resnet {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

std::string told(const Architecture& architecture, const StateDict& weights) {
  try {
    check_weights(expand(architecture), weights, "m.pth");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kMismatch);
    EXPECT_EQ(error.where(), "m.pth");
    return error.what();
  }
  return "";
}

StateDict without(const StateDict& weights, std::string_view gone) {
  StateDict result;
  for (const auto& [name, tensor] : weights) {
    if (!name.ends_with(gone)) result.add(name, tensor);
  }
  return result;
}

TEST(CheckWeightsTest, AcceptsEveryArchitecture) {
  for (const Architecture& architecture : catalog()) EXPECT_EQ(told(architecture, zero_weights(architecture)), "");
}

TEST(CheckWeightsTest, TellsEachTensorOnOneLine) {
  const Architecture& resnet50 = find_architecture("resnet50");
  StateDict weights = without(zero_weights(resnet50), "layer1.0.conv1.weight");
  weights.set("layer3.0.conv1.weight", zeros_view(DType::kF32, {128, 512, 1, 1}));
  weights.set("fc.bias", zeros_view(DType::kI64, {1000}));
  weights.add("head\n.weight", zeros_view(DType::kF32, {1}));
  weights.add("n_averaged", zeros_view(DType::kI64, {}));
  EXPECT_EQ(told(resnet50, weights),
            "m.pth: does not fit resnet50: missing layer1.0.conv1.weight; unexpected head\\x0a.weight; unexpected "
            "n_averaged; layer3.0.conv1.weight: expected 256x512x1x1, got 128x512x1x1; fc.bias: expected floating "
            "point, got I64");
}

TEST(CheckWeightsTest, TakesFloatsOfAnyTypeAndOldFiles) {
  const Architecture& resnet18 = find_architecture("resnet18");
  StateDict weights = without(zero_weights(resnet18), "num_batches_tracked");
  weights.set("fc.bias", zeros_view(DType::kF16, {1000}));
  weights.set("bn1.weight", zeros_view(DType::kBF16, {64}));
  weights.set("bn1.bias", zeros_view(DType::kF64, {64}));
  weights.set("bn1.num_batches_tracked", zeros_view(DType::kF32, {}));
  EXPECT_EQ(told(resnet18, weights), "");
  weights.set("bn1.bias", zeros_view(DType::kBool, {64}));
  EXPECT_EQ(told(resnet18, weights), "m.pth: does not fit resnet18: bn1.bias: expected floating point, got BOOL");
  weights.set("bn1.bias", zeros_view(DType::kF32, {64, 1}));
  EXPECT_EQ(told(resnet18, weights), "m.pth: does not fit resnet18: bn1.bias: expected 64, got 64x1");
}

TEST(CheckWeightsTest, CountsWhatIsTooMuchToTell) {
  StateDict weights = zero_weights(find_architecture("resnet20"));
  for (int i = 0; i < 1002; ++i) weights.add(fmt::format("x{}", i), zeros_view(DType::kF32, {1}));
  const std::string message = told(find_architecture("resnet20"), weights);
  EXPECT_THAT(message, HasSubstr("unexpected x999;"));
  EXPECT_THAT(message, Not(HasSubstr("x1000")));
  EXPECT_THAT(message, EndsWith("; and 2 more"));
}

}  // namespace
}  // namespace resnet
