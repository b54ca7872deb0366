#include "engine/calibrate.h"

#include <string>
#include <vector>

#include "base/error.h"
#include "engine/execute.h"
#include "engine/plan.h"
#include "program/scale_shift.h"

namespace resnet {
namespace {

// Per channel over all pixels of an NHWC value.
void set_statistics(StateDict& weights, const std::string& path, const FeatureShape& shape, const float* values) {
  const std::int64_t pixels = shape.batch * shape.height * shape.width;
  const auto channels = static_cast<std::size_t>(shape.channels);
  const auto row = static_cast<std::int64_t>(padded_channels(static_cast<int>(shape.channels)));
  std::vector<double> sum(channels), squares(channels);
  for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
    for (std::size_t c = 0; c < channels; ++c) sum[c] += values[pixel * row + static_cast<std::int64_t>(c)];
  }
  std::vector<float> mean(channels), variance(channels);
  for (std::size_t c = 0; c < channels; ++c) mean[c] = static_cast<float>(sum[c] / static_cast<double>(pixels));
  for (std::int64_t pixel = 0; pixel < pixels; ++pixel) {
    for (std::size_t c = 0; c < channels; ++c) {
      const double difference = static_cast<double>(values[pixel * row + static_cast<std::int64_t>(c)]) - mean[c];
      squares[c] += difference * difference;
    }
  }
  for (std::size_t c = 0; c < channels; ++c) variance[c] = static_cast<float>(squares[c] / static_cast<double>(pixels));
  weights.set(path + ".running_mean", Tensor::from(mean, {shape.channels}));
  weights.set(path + ".running_var", Tensor::from(variance, {shape.channels}));
}

}  // namespace

StateDict calibrate_batch_norms(const Graph& graph, const StateDict& weights, std::span<const float> input,
                                const FeatureShape& shape, int threads) {
  StateDict calibrated = weights;
  const Kernels& kernels = best_kernels();
  Workspace workspace(threads == 0 ? available_processors() : threads);
  require_weights(graph, weights);
  const PlanBasis basis = plan_basis(lower(graph, Lowering::kNodes), weights, kernels);
  Constants constants(basis.program, weights);
  Plan plan = make_plan(basis, shape, {Algorithms::kDirect}, constants, workspace.team);
  if (static_cast<std::int64_t>(input.size()) != shape.count()) {
    fail(ErrorCode::kMismatch, "input", "{} values, but the shape needs {}", input.size(), shape.count());
  }
  workspace.fit(plan);
  for (PlanStep& step : plan.steps) {
    if (step.op == Op::kBatchNorm) {
      const Node& norm = graph.nodes[step.operation.node];
      set_statistics(calibrated, norm.path, step.input_shape,
                     reinterpret_cast<const float*>(workspace.arena.data() + step.input_offset));
      step.constants = scale_shift_constants(batch_norm(calibrated, norm));
    }
    run_step(step, kernels, input.data(), workspace);
  }
  return calibrated;
}

}  // namespace resnet
