#include "learn/plan.h"

#include <algorithm>

#include "base/error.h"
#include "engine/arena.h"
#include "engine/choice.h"
#include "engine/pool_geometry.h"
#include "program/backward.h"

namespace resnet {
namespace {

constexpr std::size_t kUnit = 16;  // floats, a cache line

std::size_t values_of(const FeatureShape& shape) {
  return static_cast<std::size_t>(shape.batch * shape.height * shape.width) *
         static_cast<std::size_t>(padded_channels(static_cast<int>(shape.channels)));
}

Curve curve_of_activation(Activation activation) {
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

class LearnPlanner {
 public:
  LearnPlanner(const Program& program, const FeatureShape& input, const std::function<bool(const Node&)>& learns,
               const Kernels& kernels, Algorithms algorithms)
      : program_(program),
        learns_(learns),
        kernels_(kernels),
        shapes_(infer_shapes(program.graph, input)),
        count_(static_cast<int>(program.operations.size())),
        value_buffer_(static_cast<std::size_t>(program.values), -1),
        gradient_(static_cast<std::size_t>(program.values), -1),
        wanted_(static_cast<std::size_t>(program.values), false) {
    rules_.algorithms = algorithms;
    plan_.input = input;
  }

  LearnPlan run() {
    for (int i = 0; i < count_; ++i) add_forward(i);
    number_blocks();
    plan_.logits = plan_.steps.back().output;
    use(plan_.logits, count_);
    plan_.logits_gradient = make(values_of(plan_.steps.back().out), count_);
    gradient_[static_cast<std::size_t>(program_.operations.back().output.value)] = plan_.logits_gradient;
    for (int i = count_ - 1; i >= 0; --i) add_backward(i);
    const ArenaLayout layout = lay_out(buffers_);
    for (const std::size_t offset : layout.offsets) plan_.offsets.push_back(offset * kUnit);
    plan_.arena = layout.size * kUnit;
    return std::move(plan_);
  }

 private:
  int make(std::size_t values, int time) {
    buffers_.push_back({(values + kUnit - 1) / kUnit, time, time});
    return static_cast<int>(buffers_.size()) - 1;
  }
  void use(int buffer, int time) {
    if (buffer < 0) return;
    int& last = buffers_[static_cast<std::size_t>(buffer)].last;
    last = std::max(last, time);
  }

  // Whether nothing but ordinary convolutions reads the pictures, which then stay as dense as they come.
  bool has_dense_pictures() const {
    return std::all_of(program_.operations.begin(), program_.operations.end(), [&](const Operation& operation) {
      const Node& node = program_.node(operation);
      const bool conv = node.op == Op::kConv && node.groups == 1;
      return operation.residual.value != 0 && (operation.input.value != 0 || conv);
    });
  }

  void add_forward(int time) {
    const Operation& operation = program_.operations[static_cast<std::size_t>(time)];
    const Node& node = program_.node(operation);
    LearnStep& step = plan_.steps.emplace_back();
    step.operation = operation;
    step.op = node.op;
    step.out = shapes_[static_cast<std::size_t>(operation.output.value)];
    step.in = operation.input.value >= 0 ? shapes_[static_cast<std::size_t>(operation.input.value)] : plan_.input;
    const bool has_parameters = node.op == Op::kConv || node.op == Op::kLinear || node.op == Op::kBatchNorm;
    step.learns = has_parameters && learns_(node);
    set_activation(step, node);
    step.epsilon = node.epsilon;
    if (node.op == Op::kBatchNorm) check_norm(step, node);
    const auto value = [&](int number) { return number < 0 ? -1 : value_buffer_[static_cast<std::size_t>(number)]; };
    step.input = value(operation.input.value);
    step.residual = value(operation.residual.value);
    use(step.input, time);
    use(step.residual, time);
    const bool dense = node.op == Op::kInput && has_dense_pictures();
    step.output = dense ? -1 : make(values_of(step.out), time);
    value_buffer_[static_cast<std::size_t>(operation.output.value)] = step.output;
    if (node.op == Op::kConv || node.op == Op::kLinear) add_layer(step, node);
    step.pool = pool_geometry(node, step.in, step.out);
    bool wanted = step.learns;
    for_each_read(operation,
                  [&](const Operand& read) { wanted = wanted || wanted_[static_cast<std::size_t>(read.value)]; });
    wanted_[static_cast<std::size_t>(operation.output.value)] = wanted;
  }

  void set_activation(LearnStep& step, const Node& node) const {
    const Node* last = node.op == Op::kActivation ? &node : activation(program_, step.operation);
    if (last == nullptr) return;
    step.relu = last->activation == Activation::kRelu;
    step.curve = curve_of_activation(last->activation);
    step.slope = last->negative_slope;
  }

  static void check_norm(const LearnStep& step, const Node& node) {
    if (!step.learns || step.in.batch * step.in.height * step.in.width != 1) return;
    fail(
        ErrorCode::kInvalidArgument, node.path,
        "expected more than one value per channel in training, got an input of {}x{}x{}x{}: give it more pictures at a "
        "time, or larger ones",
        step.in.batch, step.in.channels, step.in.height, step.in.width);
  }

  const ConvAlgorithm* choose(const ConvShape& shape) {
    const ConvAlgorithm* algorithm = choose_algorithm(kernels_, shape, 1, rules_).algorithm;
    plan_.scratch = std::max(plan_.scratch, algorithm->scratch_bytes(shape));
    return algorithm;
  }

  void add_layer(LearnStep& step, const Node& node) {
    ConvShape& shape = step.layer.shape;
    shape.in_channels = node.in_channels;
    shape.out_channels = node.out_channels;
    if (node.op == Op::kLinear) {  // a 1x1 convolution whose pixels are the pictures
      shape.in_width = shape.out_width = static_cast<int>(step.in.batch);
    } else {
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
      shape.dense_input = step.input < 0;
    }
    step.layer.forward = choose(shape);
    step.layer.parts = weight_gradient_parts(shape);
  }

  // The shortcuts that stochastic depth may leave alone, in the order of the nodes.
  void number_blocks() {
    std::vector<LearnStep*> adding;
    for (LearnStep& step : plan_.steps) {
      if (step.op == Op::kBatchNorm && step.operation.epilogue.add >= 0) adding.push_back(&step);
    }
    std::sort(adding.begin(), adding.end(),
              [](const LearnStep* a, const LearnStep* b) { return a->operation.node < b->operation.node; });
    for (std::size_t i = 0; i < adding.size(); ++i) adding[i]->block = static_cast<int>(i);
  }

  // --- backward ---

  bool is_wanted(const Operand& operand) const {
    return operand.value >= 0 && wanted_[static_cast<std::size_t>(operand.value)];
  }
  int& gradient_of(const Operand& operand) { return gradient_[static_cast<std::size_t>(operand.value)]; }

  void add_backward(int index) {
    LearnStep& step = plan_.steps[static_cast<std::size_t>(index)];
    const int time = 2 * count_ - index;
    const Operand& output = step.operation.output;
    if (!is_wanted(output) || gradient_of(output) < 0) return;
    step.gradient = gradient_of(output);
    use(step.gradient, time);
    const GradientReads reads = gradient_reads(program_, step.operation);
    if (reads.input) use(step.input, time);
    if (reads.output) use(step.output, time);
    switch (step.op) {
      case Op::kInput: break;
      case Op::kConv:
      case Op::kLinear: layer_backward(step, time); break;
      case Op::kBatchNorm: norm_backward(step, time); break;
      case Op::kActivation:
      case Op::kFlatten: pass_on(step, time); break;
      case Op::kAdd:
        if (is_wanted(step.operation.residual)) give_residual(step, make(values_of(step.out), time), time);
        pass_on(step, time);
        break;
      case Op::kConcat: {
        const auto& residual = step.operation.residual;
        if (is_wanted(residual)) {
          give_residual(step, make(values_of(shapes_[static_cast<std::size_t>(residual.value)]), time), time);
        }
        give_input(step, make(values_of(step.in), time), time);
        break;
      }
      case Op::kMaxPool:
      case Op::kAveragePool:
      case Op::kBlur:
      case Op::kPadShortcut:
      case Op::kGlobalAveragePool:
      case Op::kGlobalMaxPool: give_input(step, make(values_of(step.in), time), time); break;
    }
  }

  // What is computed into `buffer` is the gradient of the input, or is added to what is there.
  void give_input(LearnStep& step, int buffer, int time) {
    if (!is_wanted(step.operation.input)) return;
    int& known = gradient_of(step.operation.input);
    step.input_gradient = buffer;
    step.input_before = known;
    use(known, time);
    if (known < 0) known = buffer;
    use(known, time);
  }
  void give_residual(LearnStep& step, int buffer, int time) {
    int& known = gradient_of(step.operation.residual);
    step.residual_gradient = buffer;
    step.residual_before = known;
    use(known, time);
    if (known < 0) known = buffer;
  }

  // The gradient of the output becomes that of the input, in its place.
  void pass_on(LearnStep& step, int time) { give_input(step, step.gradient, time); }

  // Behind the mask, the gradient of the output is the residual's.
  void norm_backward(LearnStep& step, int time) {
    const bool residual = is_wanted(step.operation.residual);
    if (residual) give_residual(step, step.gradient, time);
    give_input(step, residual ? make(values_of(step.in), time) : step.gradient, time);
  }

  void layer_backward(LearnStep& step, int time) {
    LayerPlan& layer = step.layer;
    if (step.learns) {
      layer.sums = make(
          static_cast<std::size_t>(weight_gradient_values(layer.shape)) * static_cast<std::size_t>(layer.parts.pixels),
          time);
    }
    if (!is_wanted(step.operation.input)) return;
    const bool strided = layer.shape.stride > 1;
    layer.turned = input_gradient_shape(layer.shape);
    RESNET_ASSERT(layer.turned.padding >= 0);
    int& known = gradient_of(step.operation.input);
    step.input_before = known;
    use(known, time);
    const bool add_spread = strided && layer.shape.kernel == 1 && known >= 0;
    layer.turned.residual = known >= 0 && !add_spread;
    layer.backward = choose(layer.turned);
    if (strided) {
      const ConvShape& t = layer.turned;
      const FeatureShape spread = layer.shape.kernel == 1
                                      ? FeatureShape{t.batch, t.out_channels, t.out_height, t.out_width}
                                      : FeatureShape{t.batch, t.in_channels, t.in_height, t.in_width};
      layer.spread = make(values_of(spread), time);
    }
    step.input_gradient = add_spread ? known : make(values_of(step.in), time);
    known = step.input_gradient;
  }

  const Program& program_;
  const std::function<bool(const Node&)>& learns_;
  const Kernels& kernels_;
  ChoiceRules rules_;
  const std::vector<FeatureShape> shapes_;
  const int count_;
  LearnPlan plan_;
  std::vector<ArenaRequest> buffers_;
  std::vector<int> value_buffer_;  // of each value
  std::vector<int> gradient_;      // of each value, so far
  std::vector<bool> wanted_;       // of each value, whether something learns from its gradient
};

}  // namespace

LearnPlan plan_learning(const Program& program, const FeatureShape& input,
                        const std::function<bool(const Node&)>& learns, const Kernels& kernels, Algorithms algorithms) {
  return LearnPlanner(program, input, learns, kernels, algorithms).run();
}

}  // namespace resnet
