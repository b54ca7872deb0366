#include "engine/steps.h"

#include <gtest/gtest.h>

#include <map>

namespace resnet {
namespace {

std::map<Op, int> count(const Graph& graph, const std::vector<Step>& steps) {
  std::map<Op, int> counts;
  for (const Step& step : steps) ++counts[graph.nodes[static_cast<std::size_t>(step.node)].op];
  return counts;
}

TEST(StepsTest, ResNet50IsNothingButConvolutionsAndPools) {
  const Graph graph = expand(find_architecture("resnet50"));
  const std::map<Op, int> expected = {
      {Op::kInput, 1}, {Op::kConv, 53}, {Op::kMaxPool, 1}, {Op::kGlobalAveragePool, 1}, {Op::kLinear, 1}};
  EXPECT_EQ(count(graph, fused_steps(graph)), expected);
}

TEST(StepsTest, EveryNetworkFusesCompletelyAndInOrder) {
  for (const Architecture& architecture : catalog()) {
    const Graph graph = expand(architecture);
    const std::vector<Step> steps = fused_steps(graph);
    std::map<Op, int> counts = count(graph, steps);
    EXPECT_EQ(counts[Op::kBatchNorm] + counts[Op::kRelu] + counts[Op::kAdd] + counts[Op::kFlatten], 0)
        << architecture.name;
    std::vector<bool> known(graph.nodes.size());
    int folded = 0;
    for (const Step& step : steps) {
      for (const int value : {step.input, step.residual})
        EXPECT_TRUE(value < 0 || known[static_cast<std::size_t>(value)]);
      known[static_cast<std::size_t>(step.output)] = true;
      folded += step.batch_norm >= 0 ? 1 : 0;
    }
    EXPECT_EQ(folded, counts[Op::kConv]);
    EXPECT_EQ(steps.back().output, static_cast<int>(graph.nodes.size()) - 1);
  }
}

// A convolution whose result somebody else needs too keeps it.
TEST(StepsTest, ValuesWithTwoReadersStay) {
  Graph graph = expand(find_architecture("resnet20"));
  graph.nodes[2].inputs = {1};
  graph.nodes.push_back({Op::kAdd, "", {static_cast<int>(graph.nodes.size()) - 1, 1}});
  const std::map<Op, int> counts = count(graph, fused_steps(graph));
  EXPECT_EQ(counts.at(Op::kBatchNorm), 1);
}

}  // namespace
}  // namespace resnet
