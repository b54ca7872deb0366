#include "weights/change_layout.h"

#include <gtest/gtest.h>

#include "resnet/error.h"
#include "resnet/graph.h"
#include "weights/initialize.h"
#include "weights/test_models.h"

namespace resnet {
namespace {

Model initialized(const Architecture& architecture) {
  return {architecture, initial_weights(expand(architecture), 1), {}, {}, {}};
}

bool same_bytes(const Tensor& a, const Tensor& b) {
  return a.dtype() == b.dtype() && a.shape() == b.shape() && std::ranges::equal(a.bytes(), b.bytes());
}

Architecture small() {
  Architecture a;
  a.depths = {1, 2};
  a.widths = {8, 16};
  a.stem_width = 8;
  a.classes = 3;
  return a;
}

TEST(ChangeLayoutTest, ThereAndBackIsTheSame) {
  const Model model = initialized(small());
  const Model tutorial = change_layout(model, Layout::kTutorial);
  EXPECT_EQ(tutorial.architecture.layout, Layout::kTutorial);
  EXPECT_NO_THROW(check_weights(expand(tutorial.architecture), tutorial.weights, "tutorial"));
  for (const float value : tutorial.weights.at("layer1.0.identity_downsample.0.bias").f32()) EXPECT_EQ(value, 0);

  const Model back = change_layout(tutorial, Layout::kTorchvision);
  EXPECT_EQ(back.architecture, model.architecture);
  ASSERT_EQ(back.weights.size(), model.weights.size());
  auto place = back.weights.begin();
  for (const auto& [name, tensor] : model.weights) {
    EXPECT_EQ(place->first, name);
    EXPECT_TRUE(same_bytes(place->second, tensor)) << name;
    ++place;
  }
}

TEST(ChangeLayoutTest, FoldsBiasesIntoMeans) {
  Model tutorial = initialized(with_layout(small(), Layout::kTutorial));
  const auto set = [&](const std::string& name, std::vector<float> values) {
    const auto size = static_cast<std::int64_t>(values.size());
    tutorial.weights.set(name, Tensor::from(values, {size}));
  };
  set("conv1.bias", {1, 2, 3, 4, 5, 6, 7, 8});
  set("bn1.running_mean", {10, 20, 30, 40, 50, 60, 70, 0.5F});
  tutorial.weights.set("layer1.0.identity_downsample.0.bias", Tensor::zeros(DType::kF64, {32}));
  const Model folded = change_layout(tutorial, Layout::kTorchvision);
  EXPECT_FALSE(folded.architecture.conv_bias);
  EXPECT_NO_THROW(check_weights(expand(folded.architecture), folded.weights, "folded"));
  const std::vector<float> expected = {9, 18, 27, 36, 45, 54, 63, -7.5F};
  EXPECT_TRUE(std::ranges::equal(folded.weights.at("bn1.running_mean").f32(), expected));
  EXPECT_EQ(folded.weights.at("layer1.0.downsample.1.running_mean").dtype(), DType::kF64);
}

TEST(ChangeLayoutTest, KeepsTypesOfHalves) {
  Model model = initialized(small());
  model.weights.set("conv1.weight", zeros_view(DType::kF16, {8, 3, 7, 7}));
  const Model tutorial = change_layout(model, Layout::kTutorial);
  EXPECT_EQ(tutorial.weights.at("conv1.bias").dtype(), DType::kF16);
  EXPECT_EQ(tutorial.weights.at("conv1.weight").dtype(), DType::kF16);
}

TEST(ChangeLayoutTest, RefusesWhatTheTutorialDoesNotKnow) {
  EXPECT_THROW(change_layout(initialized(find_architecture("resnet20")), Layout::kTutorial), Error);
}

}  // namespace
}  // namespace resnet
