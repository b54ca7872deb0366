// Everything about a run that depends on the input's size alone: where each value lies, which algorithm computes each
// convolution, and into how many tasks a step is cut. Made once per size, then only read.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/choice.h"
#include "engine/constants.h"
#include "kernels/kernels.h"
#include "program/program.h"

namespace resnet {

// What plans for all sizes have in common.
struct PlanBasis {
  Program program;  // with formats
  const Kernels* kernels;
  std::vector<WeightRule> weight_rules;  // that each node's weights keep
  int crew_threads;                      // of a crew and who it helps; 1: there is none
};
PlanBasis plan_basis(Program program, const StateDict& weights, const Kernels& kernels, int crew_threads = 1);

// An operation of the program, for one size.
struct PlanStep {
  Operation operation;
  Op op = Op::kInput;  // of the operation's node
  FeatureShape input_shape, output_shape;

  // Where values begin in the arena, in bytes.
  std::size_t input_offset = 0, residual_offset = 0, output_offset = 0;

  std::int64_t output_pitch = 0;  // values from one pixel of the output to the next
  bool relu = false;              // what is computed ends with one
  Curve curve = Curve::kNone;     // or with another activation
  float negative_slope = 0;       // of the curve
  int tasks = 1;
  int crew_tasks = 1;                        // where a crew helps; the outputs are the same to the bit
  const ConvAlgorithm* algorithm = nullptr;  // of layers
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

// A plan without its constants. Throws what infer_shapes() throws, kLimit where a layer would be too large to address.
Plan outline_plan(const PlanBasis& basis, const FeatureShape& input, const ChoiceRules& rules, int threads);

// The plan for `batch` pictures, at most as many as `plan` is for: the same algorithms, places and constants.
Plan with_batch(const PlanBasis& basis, const Plan& plan, std::int64_t batch, int threads);

// Weights that no earlier plan packed are packed by the team.
void take_constants(const Graph& graph, Plan& plan, Constants& constants, ThreadPool& team);

// Both.
Plan make_plan(const PlanBasis& basis, const FeatureShape& input, const ChoiceRules& rules, Constants& constants,
               ThreadPool& team);

}  // namespace resnet
