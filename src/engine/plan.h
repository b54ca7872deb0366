// Everything about a run that depends on the input's size alone: the order of the steps, where each value lies, which
// algorithm computes each convolution, and into how many tasks a step is cut. Made once per size, then only read.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/choice.h"
#include "engine/constants.h"
#include "engine/steps.h"
#include "kernels/kernels.h"
#include "resnet/graph.h"

namespace resnet {

struct PlanStep {
  Step step;
  Op op = Op::kInput;
  FeatureShape in;  // of the value it reads
  FeatureShape out;

  // Where values begin in the arena, in bytes.
  std::size_t input = 0;
  std::size_t residual = 0;
  std::size_t output = 0;

  int tasks = 1;
  const ConvAlgorithm* algorithm = nullptr;  // conv and linear
  std::vector<std::string> refused;          // the other algorithms, each with its reason
  ConvShape conv;
  PoolShape pool;  // pools and option A's shortcut
  StepConstants constants;
};

struct Plan {
  FeatureShape input;
  std::vector<PlanStep> steps;
  std::size_t arena_bytes = 0;
  std::size_t scratch_bytes = 0;  // of each thread
};

// A plan without its constants. `steps` are the graph's. Throws what infer_shapes() throws, kLimit where a layer would
// be too large to address.
Plan outline_plan(const Graph& graph, const std::vector<Step>& steps, const FeatureShape& input, const Kernels& kernels,
                  const ChoiceRules& rules, int threads);

// Weights that no earlier plan packed are packed by the team.
void take_constants(const Graph& graph, Plan& plan, Constants& constants, ThreadPool& team);

// Both.
Plan make_plan(const Graph& graph, const std::vector<Step>& steps, const FeatureShape& input, const Kernels& kernels,
               const ChoiceRules& rules, Constants& constants, ThreadPool& team);

}  // namespace resnet
