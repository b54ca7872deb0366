#include "engine/calibrate.h"

#include <gtest/gtest.h>

#include "program/random_weights.h"
#include "resnet/engine.h"

namespace resnet {
namespace {

TEST(CalibrateTest, EveryBatchNormGivesMeanBetaAndDeviationGamma) {
  const Graph graph = expand(find_architecture("resnet20"));
  const StateDict weights = random_weights(graph, 9);
  std::mt19937 random(1);
  const FeatureShape shape{4, 3, 32, 32};
  const std::vector<float> input = random_values(shape.count(), -1, 1, random);
  const StateDict calibrated = calibrate_batch_norms(graph, weights, input, shape, 2);
  EXPECT_EQ(calibrated.size(), weights.size());

  std::vector<float> logits(40);
  int seen = 0;
  const auto check = [&](int node, const FeatureShape& out, std::span<const float> values) {
    const Node& norm = graph.nodes[static_cast<std::size_t>(node)];
    if (norm.op != Op::kBatchNorm) return;
    ++seen;
    const std::int64_t plane = out.height * out.width;
    for (std::int64_t c = 0; c < out.channels; ++c) {
      double sum = 0, squares = 0;
      for (std::int64_t i = 0; i < out.batch * plane; ++i) {
        const double value = values[static_cast<std::size_t>((i / plane * out.channels + c) * plane + i % plane)];
        sum += value;
        squares += value * value;
      }
      const double mean = sum / static_cast<double>(out.batch * plane);
      const double deviation = std::sqrt(squares / static_cast<double>(out.batch * plane) - mean * mean);
      EXPECT_NEAR(mean, weights.at(norm.path + ".bias").f32()[static_cast<std::size_t>(c)], 1e-4) << norm.path;
      EXPECT_NEAR(deviation, std::abs(weights.at(norm.path + ".weight").f32()[static_cast<std::size_t>(c)]), 1e-3)
          << norm.path;
    }
  };
  Engine(graph, calibrated, {1, false}).run(input, shape, logits, check);
  EXPECT_EQ(seen, 19);
}

}  // namespace
}  // namespace resnet
