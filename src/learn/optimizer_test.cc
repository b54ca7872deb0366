// The optimisers against torch.optim's results, clipping, averages, and their state in checkpoints.
#include "learn/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "program/random_weights.h"
#include "resnet/error.h"

namespace resnet {
namespace {

// A linear layer of three weights and a bias.
Graph three_weights() {
  Graph graph;
  graph.architecture.in_channels = 3;
  graph.architecture.classes = 1;
  for (const Op op : {Op::kInput, Op::kGlobalAveragePool, Op::kFlatten, Op::kLinear}) {
    Node node;
    node.op = op;
    if (op != Op::kInput) node.inputs = {static_cast<int>(graph.nodes.size()) - 1};
    node.path = "fc";
    node.in_channels = 3;
    node.out_channels = op == Op::kLinear ? 1 : 3;
    node.bias = op == Op::kLinear;
    graph.nodes.push_back(node);
  }
  return graph;
}

class OptimizerTest : public ::testing::Test {
 protected:
  OptimizerTest() : weights_(graph_, random_weights(graph_, 1), [](const Node&) { return true; }) {
    set({1, -2, 0.5F});
  }

  void set(std::vector<float> values) { std::copy(values.begin(), values.end(), weight().value.data()); }
  LearnedTensor& weight() { return *weights_.find(3, "weight"); }
  std::vector<float> values() { return {weight().value.span().begin(), weight().value.span().end()}; }

  LearnedOptimizer optimizer(const OptimizerOptions& options) {
    return {weights_, team_, options, [](const LearnedTensor&) { return TensorRate(); }};
  }

  // Three steps at a rate of 0.1 with the gradients k (0.3, -0.1, 0.2).
  void learn(LearnedOptimizer& optimizer, int first = 1, int last = 3) {
    for (int k = first; k <= last; ++k) {
      const float gradient[] = {0.3F, -0.1F, 0.2F};
      for (int i = 0; i < 3; ++i) weight().gradient[i] = gradient[i] * static_cast<float>(k);
      optimizer.step(0.1);
      optimizer.zero_gradients();
    }
  }

  void expect_values(const OptimizerOptions& options, const std::vector<float>& want) {
    LearnedOptimizer optimizer = this->optimizer(options);
    learn(optimizer);
    for (int i = 0; i < 3; ++i) EXPECT_NEAR(weight().value[i], want[i], 3e-7F) << i;
    EXPECT_EQ(optimizer.steps(), 3);
  }

  Graph graph_ = three_weights();
  LearnedWeights weights_;
  ThreadPool team_{2};
};

using Kind = OptimizerOptions::Kind;

TEST_F(OptimizerTest, SgdIsTorchs) { expect_values({}, {0.819999933F, -1.94000006F, 0.379999995F}); }

TEST_F(OptimizerTest, SgdWithMomentumIsTorchs) {
  expect_values({Kind::kSgd, 0.9, false, 0.9, 0.999, 1e-8, 0.01}, {0.709268808F, -1.89374757F, 0.307113379F});
}

TEST_F(OptimizerTest, SgdWithNesterovsMomentumIsTorchs) {
  expect_values({Kind::kSgd, 0.9, true, 0.9, 0.999, 1e-8, 0.01}, {0.55572021F, -1.83851492F, 0.205152676F});
}

TEST_F(OptimizerTest, AdamWIsTorchs) {
  expect_values({Kind::kAdamW, 0, false, 0.9, 0.999, 1e-8, 0.05}, {0.694236696F, -1.67931151F, 0.201699212F});
}

TEST_F(OptimizerTest, LambIsThatOfTheReference) {  // Lamb in tests/reference/train.py
  expect_values({Kind::kLamb, 0, false, 0.9, 0.999, 1e-8, 0.05}, {0.640002847F, -1.62244511F, 0.148781627F});
}

TEST_F(OptimizerTest, GoesOnFromWhatItSavedAsIfNothingHadHappened) {
  for (const Kind kind : {Kind::kSgd, Kind::kAdamW, Kind::kLamb}) {
    const OptimizerOptions options = {kind, 0.9, true, 0.9, 0.999, 1e-8, 0.05};
    set({1, -2, 0.5F});
    LearnedOptimizer whole = optimizer(options);
    learn(whole);
    const std::vector<float> want = values();
    set({1, -2, 0.5F});
    LearnedOptimizer before = optimizer(options);
    learn(before, 1, 2);
    StateDict state;
    before.save(state);
    LearnedOptimizer after = optimizer(options);
    after.restore(state, "checkpoint");
    after.set_steps(2);
    learn(after, 3, 3);
    EXPECT_EQ(values(), want);
  }
  LearnedOptimizer sgd = optimizer({});
  EXPECT_THROW(sgd.restore({}, "checkpoint"), Error);
}

TEST_F(OptimizerTest, ShortensGradients) {
  LearnedOptimizer sgd = optimizer({});
  weight().gradient[0] = 3;
  weight().gradient[1] = 4;
  EXPECT_DOUBLE_EQ(sgd.clip_gradients(0), 5);
  EXPECT_EQ(weight().gradient[1], 4);
  EXPECT_DOUBLE_EQ(sgd.clip_gradients(1), 5);
  EXPECT_NEAR(weight().gradient[0], 0.6, 1e-6);
  EXPECT_NEAR(weight().gradient[1], 0.8, 1e-6);
}

TEST_F(OptimizerTest, AveragesForgetTheFirstSteps) {
  LearnedAverage average(weights_, 0.5);
  set({2, -2, 0.5F});
  average.update(1);  // d = 2 / 11
  EXPECT_NEAR(average.state_dict().at("fc.weight").f32()[0], 2.0 / 11 + 2 * 9.0 / 11, 1e-6);
  average.update(100);  // d = 0.5
  EXPECT_NEAR(average.state_dict().at("fc.weight").f32()[0], 1 + (9.0 / 11) / 2 + 0.5, 1e-6);
  EXPECT_EQ(average.state_dict().at("fc.weight").f32()[1], -2);
  StateDict state;
  average.save(state);
  set({7, 7, 7});
  LearnedAverage other(weights_, 0.5);
  other.restore(state, "checkpoint");
  EXPECT_EQ(other.state_dict().at("fc.weight").f32()[1], -2);
  EXPECT_TRUE(other.is_finite());
}

}  // namespace
}  // namespace resnet
