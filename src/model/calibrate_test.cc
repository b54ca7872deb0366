#include "model/calibrate.h"

#include <gtest/gtest.h>

#include <cmath>

#include "resnet/engine.h"
#include "weights/initialize.h"

namespace resnet {
namespace {

double mean_square(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += static_cast<double>(value) * value;
  return sum / static_cast<double>(values.size());
}

TEST(CalibrateTest, NoiseHasVarianceOneAndIsSmooth) {
  const FeatureShape shape{16, 3, 64, 64};
  const std::vector<float> noise = octave_noise(shape, 1);
  EXPECT_NEAR(mean_square(noise), 1, 0.2);
  double difference = 0;
  for (std::size_t i = 1; i < noise.size(); ++i) difference += std::pow(noise[i] - noise[i - 1], 2);
  EXPECT_LT(difference / static_cast<double>(noise.size()), 1);  // 2 for white noise
  EXPECT_EQ(noise, octave_noise(shape, 1));
  EXPECT_NE(noise, octave_noise(shape, 2));
}

TEST(CalibrateTest, KeepsActivationsOfOrderOneOnOtherInput) {
  Architecture small = find_architecture("resnet50d");
  small.widths = {16, 32, 48, 64};
  for (const Architecture& architecture : {find_architecture("resnet20"), find_architecture("plain20"), small}) {
    const Graph graph = expand(architecture);
    const StateDict weights = calibrate_on_noise(graph, initial_weights(graph, 1), 2);
    const std::int64_t size = graph.architecture.stem == Stem::kCifar ? 32 : 96;
    const FeatureShape shape{8, 3, size, size};
    std::vector<float> logits(static_cast<std::size_t>(8 * graph.architecture.classes));
    int batch_norms = 0;
    Engine(graph, weights, {.threads = 1, .fuse = false})
        .run(octave_noise(shape, 3), shape, logits, [&](int node, const FeatureShape&, std::span<const float> values) {
          if (graph.nodes[node].op != Op::kBatchNorm) return;
          ++batch_norms;
          EXPECT_NEAR(std::log(mean_square(values)), 0, std::log(2.5))
              << architecture.name << " " << graph.nodes[node].path;
        });
    EXPECT_GT(batch_norms, 15);
    EXPECT_LT(mean_square(logits), 30);
    EXPECT_GT(mean_square(logits), 0.01);
  }
}

}  // namespace
}  // namespace resnet
