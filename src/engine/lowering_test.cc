// Lowered programs, run: both lowerings for inference, in float32 and bfloat16, compute what its nodes do one by one in
// float32 on the reference kernels.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/execute.h"
#include "engine/int8_weights.h"
#include "program/formats.h"
#include "program/random_networks.h"
#include "program/random_weights.h"

namespace resnet {
namespace {

std::vector<float> input_of(const FeatureShape& shape) {
  std::mt19937 random(5);
  return random_values(shape.count(), -2, 2, random);
}

std::vector<float> run(const Program& program, const StateDict& weights, const FeatureShape& shape) {
  const Kernels& kernels = reference_kernels();
  Workspace workspace(1);
  const PlanBasis basis = plan_basis(program, weights, kernels);
  Constants constants(basis.program, weights);
  const Plan plan = make_plan(basis, shape, {Algorithms::kDirect}, constants, workspace.team);
  workspace.fit(plan);
  const std::vector<float> input = input_of(shape);
  for (const PlanStep& step : plan.steps) run_step(step, kernels, input.data(), workspace);
  std::vector<float> logits(static_cast<std::size_t>(plan.steps.back().output_shape.count()));
  copy_logits(plan, workspace, logits);
  return logits;
}

double error_of(const std::vector<float>& got, const std::vector<float>& expected) {
  double noise = 0;
  double signal = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    noise += std::pow(static_cast<double>(got[i]) - expected[i], 2);
    signal += std::pow(static_cast<double>(expected[i]), 2);
  }
  return std::sqrt(noise / signal);
}

void expect_same(const Graph& graph, const FeatureShape& shape) {
  const StateDict weights = random_weights(graph, 3);
  const std::vector<float> expected = run(lower(graph, Lowering::kNodes), weights, shape);
  for (const Lowering lowering : {Lowering::kNodes, Lowering::kInference}) {
    SCOPED_TRACE(static_cast<int>(lowering));
    const Program program = lower(graph, lowering);
    EXPECT_LT(error_of(run(program, weights, shape), expected), 1e-5);
    EXPECT_LT(error_of(run(give_formats(program, weights, Precision::kBf16), weights, shape), expected), 0.1);
  }
  const StateDict quantized = int8_weights(graph, weights, input_of(shape), shape, /*mixed=*/true);
  const Program program = give_formats(lower(graph, Lowering::kInference), quantized, Precision::kInt8);
  // Rounded to 8 bits in every layer; what is stored in another format than it is read in is off by more than itself.
  EXPECT_LT(error_of(run(program, quantized, shape), expected), 0.5);
}

TEST(PropertyLowering, EveryNetworkOfTheCatalog) {
  for (const Architecture& architecture : catalog()) {
    SCOPED_TRACE(architecture.name);
    expect_same(expand(thin(architecture)), {2, 3, 17, 16});
  }
}

TEST(PropertyLowering, RandomArchitectures) {
  std::mt19937 random(3);
  for (int i = 0; i < 40; ++i) {
    SCOPED_TRACE(i);
    const Graph graph = expand(random_architecture(random));
    expect_same(graph, {1, graph.architecture.in_channels, 15, 18});
  }
}

// Batch norms, additions and ReLUs that no convolution takes in compute in float32, also where convolutions do not.
TEST(PropertyLowering, GraphsThatDoNotFuse) {
  std::mt19937 random(4);
  for (int i = 0; i < 60; ++i) {
    SCOPED_TRACE(i);
    expect_same(random_graph(random, 2 + i / 3, 5 + i % 13), {2, 5 + i % 13, 6, 7});
  }
}

}  // namespace
}  // namespace resnet
