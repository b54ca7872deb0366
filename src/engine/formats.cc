#include "engine/formats.h"

#include <algorithm>
#include <optional>

#include "arch/quantized.h"
#include "base/error.h"

namespace resnet {
namespace {

constexpr std::string_view kNames[] = {"fp32", "bf16", "int8", "auto"};

// Steps for int8: first, from the last step to the first, which values have to be u8; then the formats in order.
class Int8Formats {
 public:
  Int8Formats(const Graph& graph, std::vector<Step> steps, const StateDict& weights)
      : graph_(graph), weights_(weights), steps_(std::move(steps)), values_(graph.nodes.size()) {}

  std::vector<Step> run() {
    for (auto step = steps_.rbegin(); step != steps_.rend(); ++step) {
      if (reads_numbers(*step)) {
        values_[step->input].wanted = true;
        if (step->residual >= 0) values_[step->residual].wanted = true;
      }
    }
    for (Step& step : steps_) {
      const bool numbers = step.input >= 0 && reads_numbers(step);
      if (step.input >= 0) step.in = take(step.input, numbers);
      if (step.residual >= 0) step.residual_format = take(step.residual, numbers);
      give(step, numbers);
    }
    return std::move(result_);
  }

 private:
  struct Value {
    bool wanted = false;  // as u8, by somebody
    ValueFormat numbers;  // its format then
    int as_numbers = -1;  // the values that hold it as u8 and float32, where they do
    int as_floats = -1;
    int node = -1;  // that gave it
  };

  bool passes_numbers_on(Op op) const {
    return op == Op::kMaxPool || op == Op::kAveragePool || op == Op::kPadShortcut || op == Op::kGlobalAveragePool;
  }

  // Known once the steps after this one have been seen.
  bool reads_numbers(const Step& step) const {
    const Node& node = graph_.nodes[step.node];
    if (node.op == Op::kConv || node.op == Op::kLinear) return is_quantized(weights_, node.path);
    return passes_numbers_on(node.op) && values_[step.output].wanted;
  }

  // Makes sure that a value exists as u8 or float32, and renames it to that one.
  ValueFormat take(int& name, bool numbers) {
    Value& value = values_[name];
    int& place = numbers ? value.as_numbers : value.as_floats;
    if (place < 0) {
      Step step;
      step.convert = true;
      step.node = value.node;
      step.input = numbers ? value.as_floats : value.as_numbers;
      step.in = numbers ? ValueFormat() : value.numbers;
      step.out = numbers ? value.numbers : ValueFormat();
      step.output = place = static_cast<int>(graph_.nodes.size()) + converted_++;
      result_.push_back(step);
    }
    name = place;
    return numbers ? value.numbers : ValueFormat();
  }

  // The format of what the step gives, and the step itself.
  void give(Step& step, bool numbers) {
    const Node& node = graph_.nodes[step.node];
    Value& value = values_[step.output];
    value.node = step.node;
    if (value.wanted) value.numbers = number_format(step, node, numbers);
    // A layer in floating point cannot round; the network's input is rounded at once.
    const bool gives_numbers = value.wanted && (numbers || node.op == Op::kInput);
    step.out = gives_numbers ? value.numbers : ValueFormat();
    (gives_numbers ? value.as_numbers : value.as_floats) = step.output;
    result_.push_back(step);
  }

  ValueFormat number_format(const Step& step, const Node& node, bool numbers) const {
    if (numbers && passes_numbers_on(node.op) && node.op != Op::kGlobalAveragePool) return step.in;
    const std::string name = value_name(node);
    const std::optional<OutputScale> scale = output_scale(weights_, name);
    if (!scale) fail(ErrorCode::kMismatch, "tensor '" + name + kOutputScale + "'", "is not there");
    if (step.relu && scale->zero_point != 0) {
      fail(ErrorCode::kMismatch, "tensor '" + name + kOutputZeroPoint + "'", "{} is not 0, which what a ReLU gives has",
           scale->zero_point);
    }
    return {ValueType::kU8, scale->scale, scale->zero_point};
  }

  const Graph& graph_;
  const StateDict& weights_;
  std::vector<Step> steps_;
  std::vector<Step> result_;
  std::vector<Value> values_;
  int converted_ = 0;
};

}  // namespace

std::string_view name(Precision precision) noexcept { return kNames[static_cast<int>(precision)]; }

Precision parse_precision(std::string_view name) {
  for (int i = 0; i < 4; ++i) {
    if (kNames[i] == name) return static_cast<Precision>(i);
  }
  fail(ErrorCode::kInvalidArgument, "precision", "'{}' is not one of {}", name, fmt::join(kNames, ", "));
}

Precision choose_precision(const Graph& graph, const StateDict& weights, const EngineOptions& options,
                           const Kernels& kernels) {
  const bool quantized = is_quantized(graph, weights);
  const bool has_bf16 = kernels.spin[static_cast<int>(ValueType::kBf16)] != nullptr;
  Precision precision = options.precision.value_or(quantized ? Precision::kInt8 : Precision::kFp32);
  if (precision == Precision::kAuto) {
    precision = quantized                              ? Precision::kInt8
                : has_bf16 && kernels.isa != Isa::kRef ? Precision::kBf16
                                                       : Precision::kFp32;
  }
  if (precision == Precision::kBf16 && !has_bf16) {
    fail(ErrorCode::kUnsupported, "precision", "bf16 needs a processor with AVX-512 BF16; this one is used as {}",
         name(kernels.isa));
  }
  if (precision == Precision::kInt8 && !quantized) {
    fail(ErrorCode::kMismatch, "precision", "the weights are not int8; 'resnet quantize' makes a model whose are");
  }
  if (precision != Precision::kFp32 && !options.fuse) {
    fail(ErrorCode::kInvalidArgument, "precision", "{} is computed in fused steps alone", name(precision));
  }
  return precision;
}

std::vector<Step> find_short_weights(const Graph& graph, std::vector<Step> steps, const StateDict& weights,
                                     const Kernels& kernels) {
  for (Step& step : steps) {
    const bool numbers = !step.convert && step.in.type == ValueType::kU8;
    step.short_weights = kernels.uses_short_weights && numbers && has_short_weights(graph.nodes[step.node], weights);
  }
  return steps;
}

std::vector<Step> give_formats(const Graph& graph, std::vector<Step> steps, const StateDict& weights,
                               Precision precision) {
  if (precision == Precision::kInt8) return Int8Formats(graph, std::move(steps), weights).run();
  if (precision == Precision::kBf16) {
    for (Step& step : steps) step.in = step.residual_format = step.out = {ValueType::kBf16};
    steps.back().out = {};
  }
  return steps;
}

}  // namespace resnet
