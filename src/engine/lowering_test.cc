// Lowered programs, run: both lowerings for inference, in float32 and bfloat16, compute what its nodes do one by one in
// float32 on the reference kernels.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/execute.h"
#include "engine/int8_weights.h"
#include "engine/layout.h"
#include "program/formats.h"
#include "program/random_networks.h"
#include "program/random_weights.h"

namespace resnet {
namespace {

std::vector<float> input_of(const FeatureShape& shape) {
  std::mt19937 random(5);
  return random_values(shape.count(), -2, 2, random);
}

// What a program gives, and what its classifier sees: many values, where there may be but one logit.
struct Answers {
  std::vector<float> features, logits;
};

Answers run(const Program& program, const StateDict& weights, const FeatureShape& shape) {
  const Kernels& kernels = reference_kernels();
  Workspace workspace(1);
  const PlanBasis basis = plan_basis(program, weights, kernels);
  Constants constants(basis.program, weights);
  const Plan plan = make_plan(basis, shape, {Algorithms::kDirect}, constants, workspace.team);
  workspace.fit(plan);
  const std::vector<float> input = input_of(shape);
  Answers answers;
  for (const PlanStep& step : plan.steps) {
    run_step(step, kernels, input.data(), workspace);
    if (step.op != Op::kGlobalAveragePool || step.operation.converts) continue;
    answers.features.resize(static_cast<std::size_t>(step.output_shape.count()));
    from_kernel_layout(step.output_shape, step.output_pitch, step.operation.output.format,
                       workspace.arena.data() + step.output_offset, answers.features.data());
  }
  answers.logits.resize(static_cast<std::size_t>(plan.steps.back().output_shape.count()));
  copy_logits(plan, workspace, answers.logits);
  return answers;
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
  const Answers expected = run(lower(graph, Lowering::kNodes), weights, shape);
  for (const Lowering lowering : {Lowering::kNodes, Lowering::kInference}) {
    SCOPED_TRACE(static_cast<int>(lowering));
    const Program program = lower(graph, lowering);
    EXPECT_LT(error_of(run(program, weights, shape).logits, expected.logits), 1e-5);
    const Answers bf16 = run(give_formats(program, weights, Precision::kBf16), weights, shape);
    EXPECT_LT(error_of(bf16.features, expected.features), 0.05);
  }
  const StateDict quantized = int8_weights(graph, weights, input_of(shape), shape, /*mixed=*/true);
  const Program program = give_formats(lower(graph, Lowering::kInference), quantized, Precision::kInt8);
  EXPECT_LT(error_of(run(program, quantized, shape).features, expected.features), 0.3);
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
    const bool odd = graph.architecture.antialias == Antialias::kNone;  // others need sizes that strides divide
    expect_same(graph, {1, graph.architecture.in_channels, odd ? 15 : 16, odd ? 18 : 32});
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
