#include "engine/plan.h"

#include <algorithm>
#include <limits>

#include "arch/operations.h"
#include "base/buffer.h"
#include "base/error.h"
#include "engine/arena.h"
#include "engine/pool_geometry.h"
#include "engine/weight_rules.h"
#include "program/formats.h"

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

// A mean of quantized values is summed in 32 bits.
void check_sum(const PlanStep& step, const std::string& path) {
  constexpr std::int64_t kMaxSummed = std::numeric_limits<std::int32_t>::max() / 255;
  const bool sums = step.op == Op::kGlobalAveragePool && step.operation.input.format.type == ValueType::kU8;
  if (sums && step.input_shape.height * step.input_shape.width > kMaxSummed) {
    fail(ErrorCode::kLimit, "input", "too large for int8: {} has more than {} pixels to take the mean of", path,
         kMaxSummed);
  }
}

// Whether the kernels compute this: only layers and additions add something, and formats differ only where something
// converts, pools or multiplies; all else knows float32 alone.
[[maybe_unused]] bool is_sound(const PlanStep& step) {
  const Operation& operation = step.operation;
  const ValueFormat& in = operation.input.format;
  const ValueFormat& out = operation.output.format;
  const bool same_residual = operation.residual.value < 0 || operation.residual.format.type == in.type;
  if (operation.converts) return (in.type == ValueType::kF32) != (out.type == ValueType::kF32);
  switch (storage(step.op)) {
    case Storage::kGiven: return true;
    case Storage::kLayer: {
      const bool rounds = out.type != ValueType::kF32;
      return same_residual && (in.type == out.type || !rounds) && (step.curve == Curve::kNone || !rounds);
    }
    case Storage::kPassedOn: return in == out;
    case Storage::kMean: return in.type == out.type;
    case Storage::kFloat: {
      const bool adds = operation.epilogue.add >= 0;
      return same_residual && in == ValueFormat() && out == ValueFormat() && !adds;
    }
  }
  return false;
}

Curve curve_of(Activation activation) {
  switch (activation) {
    case Activation::kRelu: break;
    case Activation::kLeakyRelu: return Curve::kLeakyRelu;
    case Activation::kRelu6: return Curve::kRelu6;
    case Activation::kSilu: return Curve::kSilu;
    case Activation::kGelu: return Curve::kGelu;
    case Activation::kHardswish: return Curve::kHardswish;
  }
  return Curve::kNone;
}

// Of the activation that the step is or ends with.
void set_activation(PlanStep& step, const Program& program) {
  const Node& main = program.node(step.operation);
  const Node* node = main.op == Op::kActivation ? &main : activation(program, step.operation);
  if (node == nullptr || step.operation.converts) return;
  step.relu = node->activation == Activation::kRelu;
  step.curve = curve_of(node->activation);
  step.negative_slope = node->negative_slope;
}

ConvShape conv_shape(const PlanBasis& basis, const PlanStep& step, bool dense_input) {
  const Operation& operation = step.operation;
  const Node& node = basis.program.node(operation);
  ConvShape shape;
  shape.in_channels = node.in_channels;
  shape.out_channels = node.out_channels;
  shape.in_type = operation.input.format.type;
  shape.out_type = operation.output.format.type;
  shape.residual = operation.residual.value >= 0;
  shape.relu = step.relu;
  shape.curve = step.curve;
  shape.negative_slope = step.negative_slope;
  shape.weights = basis.weight_rules[operation.node];
  if (node.op == Op::kLinear) {  // a 1x1 convolution whose pixels are the images
    shape.in_width = shape.out_width = static_cast<int>(step.input_shape.batch);
    return shape;
  }
  shape.batch = static_cast<int>(step.input_shape.batch);
  shape.in_height = static_cast<int>(step.input_shape.height);
  shape.in_width = static_cast<int>(step.input_shape.width);
  shape.out_height = static_cast<int>(step.output_shape.height);
  shape.out_width = static_cast<int>(step.output_shape.width);
  shape.kernel = node.kernel;
  shape.stride = node.stride;
  shape.padding = node.padding;
  shape.dilation = node.dilation;
  shape.groups = node.groups;
  shape.dense_input = dense_input;
  return shape;
}

PoolShape pool_shape(const Node& node, const PlanStep& step) {
  PoolShape shape = pool_geometry(node, step.input_shape, step.output_shape);
  const ValueFormat& in = step.operation.input.format;
  const ValueFormat& out = step.operation.output.format;
  shape.type = in.type;
  const float ratio = in.scale / out.scale;
  shape.scale = ratio / static_cast<float>(step.input_shape.height * step.input_shape.width);
  shape.offset = static_cast<float>(out.zero_point) - static_cast<float>(in.zero_point) * ratio;
  return shape;
}

// Things that a step's tasks share out: rows, images or pixels. Small steps are not worth waking anybody.
int simple_tasks(const PlanStep& step, int threads) {
  constexpr std::size_t kBytesPerTask = 65'536;
  const FeatureShape& out = step.output_shape;
  const std::int64_t things = step.op == Op::kGlobalAveragePool ? out.batch : out.batch * out.height;
  const std::size_t bytes =
      bytes_of(step.input_shape, step.operation.input.format.type) + bytes_of(out, step.operation.output.format.type);
  return static_cast<int>(std::clamp<std::int64_t>(static_cast<std::int64_t>(bytes / kBytesPerTask), 1,
                                                   std::min<std::int64_t>(things, 4 * threads)));
}

// Into how many tasks the step is cut, and the memory that each thread needs for one.
void share_out(PlanStep& step, const PlanBasis& basis, int threads, Plan& plan) {
  if (step.algorithm == nullptr) {
    step.tasks = simple_tasks(step, threads);
    step.crew_tasks = simple_tasks(step, basis.crew_threads);
    return;
  }
  step.tasks = step.algorithm->tasks(step.conv, threads);
  step.crew_tasks = keeps_bits(*step.algorithm) ? step.algorithm->tasks(step.conv, basis.crew_threads) : step.tasks;
  plan.scratch_bytes = std::max(plan.scratch_bytes, step.algorithm->scratch_bytes(step.conv));
}

// Whether nothing but convolutions reads the network's input, which then stays as dense as it comes.
bool has_dense_input(const Program& program) {
  return std::all_of(program.operations.begin(), program.operations.end(), [&](const Operation& operation) {
    const bool conv = !operation.converts && program.node(operation).op == Op::kConv;
    return operation.residual.value != 0 && (operation.input.value != 0 || conv);
  });
}

void place_values(const Program& program, Plan& plan) {
  const std::vector<Lifetime> lives = lifetimes(program);
  std::vector<ArenaRequest> requests(lives.size());
  for (const PlanStep& step : plan.steps) {
    const Operand& output = step.operation.output;
    const Lifetime& life = lives[output.value];
    requests[output.value] = {bytes_of(step.output_shape, output.format.type), life.given, life.last_read};
  }
  const ArenaLayout layout = lay_out(requests);
  const auto offset = [&](const Operand& operand) { return operand.value < 0 ? 0 : layout.offsets[operand.value]; };
  for (PlanStep& step : plan.steps) {
    step.input_offset = offset(step.operation.input);
    step.residual_offset = offset(step.operation.residual);
    step.output_offset = offset(step.operation.output);
  }
  plan.arena_bytes = layout.size;
}

}  // namespace

PlanBasis plan_basis(Program program, const StateDict& weights, const Kernels& kernels, int crew_threads) {
  std::vector<WeightRule> weight_rules = find_weight_rules(program, weights, kernels);
  return {std::move(program), &kernels, std::move(weight_rules), crew_threads};
}

Plan outline_plan(const PlanBasis& basis, const FeatureShape& input, const ChoiceRules& rules, int threads) {
  const Program& program = basis.program;
  std::vector<FeatureShape> shapes = infer_shapes(program.graph, input);
  check_size(program.graph, shapes);
  shapes.resize(program.values);
  const bool dense_input = has_dense_input(program);
  Plan plan;
  plan.input = input;
  for (const Operation& operation : program.operations) {
    const Node& node = program.node(operation);
    const int read = operation.input.value;
    if (operation.converts) shapes[operation.output.value] = shapes[read];
    PlanStep& step = plan.steps.emplace_back();
    step.operation = operation;
    step.op = node.op;
    step.input_shape = read >= 0 ? shapes[read] : input;
    step.output_shape = shapes[operation.output.value];
    step.output_pitch = padded_channels(static_cast<int>(step.output_shape.channels));
    if (operation.output.value == 0 && dense_input) step.output_pitch = step.output_shape.channels;
    set_activation(step, program);
    RESNET_ASSERT(is_sound(step));
    if (!operation.converts && info(node.op).is_layer) {
      step.conv = conv_shape(basis, step, read == 0 && dense_input);
      Choice choice = choose_algorithm(*basis.kernels, step.conv, threads, rules);
      step.algorithm = choice.algorithm;
      step.refused = std::move(choice.refused);
    } else {
      step.pool = pool_shape(node, step);
      check_sum(step, node.path);
    }
    share_out(step, basis, threads, plan);
  }
  place_values(program, plan);
  return plan;
}

Plan with_batch(const PlanBasis& basis, const Plan& plan, std::int64_t batch, int threads) {
  RESNET_ASSERT(batch >= 1 && batch <= plan.input.batch);
  Plan smaller = plan;
  smaller.input.batch = batch;
  smaller.scratch_bytes = 0;
  for (PlanStep& step : smaller.steps) {
    step.input_shape.batch = step.output_shape.batch = batch;
    if (step.algorithm != nullptr) {
      step.conv = conv_shape(basis, step, step.conv.dense_input);
    } else {
      step.pool.batch = static_cast<int>(batch);
    }
    share_out(step, basis, threads, smaller);
  }
  return smaller;
}

void take_constants(const Graph& graph, Plan& plan, Constants& constants, ThreadPool& team) {
  std::vector<ConstantsRequest> requests;
  std::vector<PlanStep*> takers;
  for (PlanStep& step : plan.steps) {
    const Operation& operation = step.operation;
    if (step.op == Op::kBatchNorm && !operation.converts) {
      step.constants = constants.of_batch_norm(graph.nodes[operation.node]);
    }
    if (step.algorithm == nullptr) continue;
    requests.push_back({operation, step.algorithm, step.conv});
    takers.push_back(&step);
  }
  std::vector<StepConstants> found = constants.get(requests, team);
  for (std::size_t i = 0; i < takers.size(); ++i) takers[i]->constants = std::move(found[i]);
}

Plan make_plan(const PlanBasis& basis, const FeatureShape& input, const ChoiceRules& rules, Constants& constants,
               ThreadPool& team) {
  Plan plan = outline_plan(basis, input, rules, team.threads());
  take_constants(basis.program.graph, plan, constants, team);
  return plan;
}

}  // namespace resnet
