#include "weights/initialize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "resnet/model_file.h"

namespace resnet {
namespace {

struct Moments {
  double mean = 0;
  double deviation = 0;
  double largest = 0;
};

Moments moments(const Tensor& tensor) {
  Moments result;
  for (const float value : tensor.f32()) {
    result.mean += value;
    result.deviation += static_cast<double>(value) * value;
    result.largest = std::max(result.largest, std::abs(static_cast<double>(value)));
  }
  const auto count = static_cast<double>(tensor.count());
  result.mean /= count;
  result.deviation = std::sqrt(result.deviation / count - result.mean * result.mean);
  return result;
}

TEST(InitializeTest, FitsEveryLayout) {
  for (const char* name : {"resnet20", "resnet18d", "plain20"}) {
    const Graph graph = expand(find_architecture(name));
    EXPECT_NO_THROW(check_weights(graph, initial_weights(graph, 0), name));
  }
  const Graph tutorial = expand(with_layout(find_architecture("resnet18"), Layout::kTutorial));
  EXPECT_NO_THROW(check_weights(tutorial, initial_weights(tutorial, 0), "tutorial"));
}

TEST(InitializeTest, HasTheVariancesOfHe) {
  const StateDict weights = initial_weights(expand(find_architecture("resnet18")), 3);
  const Moments conv = moments(weights.at("layer3.0.conv1.weight"));  // 256x128x3x3
  EXPECT_NEAR(conv.deviation, std::sqrt(2.0 / (256 * 9)), 0.01 * conv.deviation);
  EXPECT_NEAR(conv.mean, 0, 0.01 * conv.deviation);
  const Moments stem = moments(weights.at("conv1.weight"));  // 64x3x7x7
  EXPECT_NEAR(stem.deviation, std::sqrt(2.0 / (64 * 49)), 0.03 * stem.deviation);

  const double bound = 1 / std::sqrt(512.0);
  const Moments fc = moments(weights.at("fc.weight"));
  EXPECT_NEAR(fc.deviation, bound / std::sqrt(3.0), 0.01 * bound);
  EXPECT_LE(fc.largest, bound);
  EXPECT_GT(fc.largest, 0.999 * bound);
  EXPECT_GT(moments(weights.at("fc.bias")).largest, 0.9 * bound);

  EXPECT_EQ(moments(weights.at("bn1.weight")).mean, 1);
  EXPECT_EQ(moments(weights.at("bn1.running_var")).mean, 1);
  EXPECT_EQ(moments(weights.at("bn1.bias")).largest, 0);
  EXPECT_EQ(moments(weights.at("bn1.running_mean")).largest, 0);
}

TEST(InitializeTest, DependsOnTheSeedAlone) {
  const Graph graph = expand(find_architecture("resnet20"));
  const StateDict first = initial_weights(graph, 7);
  const StateDict again = initial_weights(graph, 7);
  const StateDict other = initial_weights(graph, 8);
  for (const auto& [name, tensor] : first) EXPECT_TRUE(std::ranges::equal(tensor.bytes(), again.at(name).bytes()));
  EXPECT_FALSE(std::ranges::equal(first.at("fc.bias").bytes(), other.at("fc.bias").bytes()));
  EXPECT_FLOAT_EQ(first.at("conv1.weight").f32()[0], 0.018696373F);
}

}  // namespace
}  // namespace resnet
