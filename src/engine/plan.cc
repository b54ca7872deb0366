#include "engine/plan.h"

#include <algorithm>
#include <limits>

#include "base/buffer.h"
#include "base/error.h"
#include "engine/arena.h"

namespace resnet {
namespace {

constexpr std::int64_t kMaxPixels = std::numeric_limits<int>::max() / 4;  // kernels count them with int

// Of a value in the kernels' layout, in whole cache lines.
std::size_t bytes_of(const FeatureShape& shape, ValueType type) {
  const std::size_t values = static_cast<std::size_t>(shape.batch * shape.height * shape.width) *
                             static_cast<std::size_t>(padded_channels(static_cast<int>(shape.channels)));
  return (values * size_in_bytes(type) + kAlignment - 1) / kAlignment * kAlignment;
}

void check_size(const Graph& graph, const std::vector<FeatureShape>& shapes) {
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const FeatureShape& s = shapes[i];
    if (s.batch * s.height * s.width > kMaxPixels) {  // each is at most 65,535
      fail(ErrorCode::kLimit, "input", "{}x{}x{}x{} is too large: {} has more than {} pixels", shapes[0].batch,
           shapes[0].channels, shapes[0].height, shapes[0].width, i == 0 ? "it" : graph.nodes[i].path, kMaxPixels);
    }
  }
}

// A mean of u8 numbers is summed in 32 bits.
void check_sum(const PlanStep& step, const std::string& path) {
  constexpr std::int64_t kMaxSummed = std::numeric_limits<std::int32_t>::max() / 255;
  const bool sums = step.op == Op::kGlobalAveragePool && step.step.in.type == ValueType::kU8;
  if (sums && step.in.height * step.in.width > kMaxSummed) {
    fail(ErrorCode::kLimit, "input", "too large for int8: {} has more than {} pixels to take the mean of", path,
         kMaxSummed);
  }
}

ConvShape conv_shape(const Node& node, const PlanStep& step) {
  ConvShape shape;
  shape.in_channels = node.in_channels;
  shape.out_channels = node.out_channels;
  shape.in_type = step.step.in.type;
  shape.out_type = step.step.out.type;
  shape.residual = step.step.residual >= 0;
  shape.relu = step.step.relu;
  shape.short_weights = step.step.short_weights;
  if (node.op == Op::kLinear) {  // a 1x1 convolution whose pixels are the images
    shape.in_width = shape.out_width = static_cast<int>(step.in.batch);
    return shape;
  }
  shape.batch = static_cast<int>(step.in.batch);
  shape.in_height = static_cast<int>(step.in.height);
  shape.in_width = static_cast<int>(step.in.width);
  shape.out_height = static_cast<int>(step.out.height);
  shape.out_width = static_cast<int>(step.out.width);
  shape.kernel = node.kernel;
  shape.stride = node.stride;
  shape.padding = node.padding;
  shape.dilation = node.dilation;
  shape.groups = node.groups;
  shape.dense_input = step.step.input == 0;  // the network's
  return shape;
}

PoolShape pool_shape(const Node& node, const PlanStep& step) {
  PoolShape shape;
  shape.batch = static_cast<int>(step.in.batch);
  shape.channels = static_cast<int>(step.in.channels);
  shape.in_height = static_cast<int>(step.in.height);
  shape.in_width = static_cast<int>(step.in.width);
  shape.out_height = static_cast<int>(step.out.height);
  shape.out_width = static_cast<int>(step.out.width);
  shape.kernel = node.kernel;
  shape.stride = node.stride;
  shape.padding = node.padding;
  const ValueFormat& in = step.step.in;
  const ValueFormat& out = step.step.out;
  shape.type = in.type;
  const float ratio = in.scale / out.scale;
  shape.scale = ratio / static_cast<float>(step.in.height * step.in.width);
  shape.offset = static_cast<float>(out.zero_point) - static_cast<float>(in.zero_point) * ratio;
  return shape;
}

// Things that a step's tasks share out: rows, images or pixels. Small steps are not worth waking anybody.
int simple_tasks(const PlanStep& step, int threads) {
  constexpr std::size_t kBytesPerTask = 65'536;
  const std::int64_t things = step.op == Op::kGlobalAveragePool ? step.out.batch : step.out.batch * step.out.height;
  const std::size_t work =
      (bytes_of(step.in, step.step.in.type) + bytes_of(step.out, step.step.out.type)) / kBytesPerTask;
  return static_cast<int>(
      std::clamp<std::int64_t>(static_cast<std::int64_t>(work), 1, std::min<std::int64_t>(things, 4 * threads)));
}

void place_values(std::size_t values, Plan& plan) {
  std::vector<Lifetime> lifetimes(values);
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const PlanStep& step = plan.steps[i];
    const int now = static_cast<int>(i);
    lifetimes[step.step.output] = {bytes_of(step.out, step.step.out.type), now, now};
    for (const int value : {step.step.input, step.step.residual}) {
      if (value >= 0) lifetimes[value].last = now;
    }
  }
  const ArenaLayout layout = lay_out(lifetimes);
  for (PlanStep& step : plan.steps) {
    if (step.step.input >= 0) step.input = layout.offsets[step.step.input];
    if (step.step.residual >= 0) step.residual = layout.offsets[step.step.residual];
    step.output = layout.offsets[step.step.output];
  }
  plan.arena_bytes = layout.size;
}

}  // namespace

Plan outline_plan(const Graph& graph, const std::vector<Step>& steps, const FeatureShape& input, const Kernels& kernels,
                  const ChoiceRules& rules, int threads) {
  std::vector<FeatureShape> shapes = infer_shapes(graph, input);
  check_size(graph, shapes);
  Plan plan;
  plan.input = input;
  for (const Step& step : steps) {
    const Node& node = graph.nodes[step.node];
    if (step.convert) shapes.push_back(shapes[step.input]);  // of value number step.output
    PlanStep& s = plan.steps.emplace_back();
    s.step = step;
    s.op = node.op;
    s.in = step.input >= 0 ? shapes[step.input] : input;
    s.out = shapes[step.output];
    if (!step.convert && (node.op == Op::kConv || node.op == Op::kLinear)) {
      s.conv = conv_shape(node, s);
      Choice choice = choose_algorithm(kernels, s.conv, threads, rules);
      s.algorithm = choice.algorithm;
      s.refused = std::move(choice.refused);
      s.tasks = s.algorithm->tasks(s.conv, threads);
      plan.scratch_bytes = std::max(plan.scratch_bytes, s.algorithm->scratch_bytes(s.conv));
    } else {
      s.pool = pool_shape(node, s);
      check_sum(s, node.path);
      s.tasks = simple_tasks(s, threads);
    }
  }
  place_values(shapes.size(), plan);
  return plan;
}

void take_constants(const Graph& graph, Plan& plan, Constants& constants, ThreadPool& team) {
  std::vector<ConstantsRequest> requests;
  std::vector<PlanStep*> takers;
  for (PlanStep& step : plan.steps) {
    if (step.op == Op::kBatchNorm) step.constants = constants.of_batch_norm(graph.nodes[step.step.node].path);
    if (step.algorithm == nullptr) continue;
    requests.push_back({step.step, step.algorithm, step.conv});
    takers.push_back(&step);
  }
  std::vector<StepConstants> found = constants.get(requests, team);
  for (std::size_t i = 0; i < takers.size(); ++i) takers[i]->constants = std::move(found[i]);
}

Plan make_plan(const Graph& graph, const std::vector<Step>& steps, const FeatureShape& input, const Kernels& kernels,
               const ChoiceRules& rules, Constants& constants, ThreadPool& team) {
  Plan plan = outline_plan(graph, steps, input, kernels, rules, team.threads());
  take_constants(graph, plan, constants, team);
  return plan;
}

}  // namespace resnet
