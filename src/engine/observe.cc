#include "engine/observe.h"

#include "base/error.h"
#include "engine/execute.h"
#include "engine/plan.h"
#include "program/scale_shift.h"

namespace resnet {

void observe_norms(const Graph& graph, StateDict& weights, std::span<const float> input, const FeatureShape& shape,
                   int threads, const std::function<void(const NormInput&)>& see) {
  if (static_cast<std::int64_t>(input.size()) != shape.count()) {
    fail(ErrorCode::kMismatch, "input", "{} values, but the shape needs {}", input.size(), shape.count());
  }
  require_weights(graph, weights);
  const Kernels& kernels = best_kernels();
  Workspace workspace(threads == 0 ? available_processors() : threads);
  const PlanBasis basis = plan_basis(lower(graph, Lowering::kNodes), weights, kernels);
  Constants constants(basis.program, weights);
  Plan plan = make_plan(basis, shape, {Algorithms::kDirect}, constants, workspace.team);
  workspace.fit(plan);
  for (PlanStep& step : plan.steps) {
    if (step.op == Op::kBatchNorm) {
      const Node& norm = graph.nodes[step.operation.node];
      const FeatureShape& s = step.input_shape;
      const std::int64_t row = padded_channels(static_cast<int>(s.channels));
      const auto* values = reinterpret_cast<const float*>(workspace.arena.data() + step.input_offset);
      const auto count = static_cast<std::size_t>(s.batch * s.height * s.width * row);
      see({&norm, s, {values, count}, row});
      step.constants = scale_shift_constants(batch_norm(weights, norm));
    }
    run_step(step, kernels, input.data(), workspace);
  }
}

}  // namespace resnet
