#include "program/formats.h"

#include <optional>
#include <utility>

#include "arch/describe.h"
#include "base/error.h"
#include "program/quantized.h"

namespace resnet {
namespace {

constexpr std::string_view kNames[] = {"fp32", "bf16", "int8", "auto"};

// First, from the last operation to the first, which values have to be narrow; then the formats in order.
class FormatGiver {
 public:
  FormatGiver(Program program, const StateDict& weights, Precision precision)
      : program_(std::move(program)),
        weights_(weights),
        precision_(precision),
        values_(program_.graph.nodes.size()),
        operations_(std::exchange(program_.operations, {})) {}

  Program run() {
    for (auto operation = operations_.rbegin(); operation != operations_.rend(); ++operation) {
      if (!reads_narrow(*operation)) continue;
      for_each_read(*operation, [&](const Operand& read) { values_[read.value].wanted = true; });
    }
    for (Operation& operation : operations_) {
      const bool narrow = reads_narrow(operation);
      for_each_read(operation, [&](Operand& read) { take(read, narrow); });
      give(operation, narrow);
    }
    return std::move(program_);
  }

 private:
  struct Value {
    bool wanted = false;   // narrow, by somebody
    int node = -1;         // of the operation that gave it
    Operand narrow, wide;  // where it is stored so
  };

  // Known once the operations after this one have been seen.
  bool reads_narrow(const Operation& operation) const {
    const Node& node = program_.node(operation);
    switch (storage(node.op)) {
      case Storage::kGiven:
      case Storage::kFloat: return false;
      case Storage::kLayer: return precision_ == Precision::kBf16 || is_quantized(weights_, node.path);
      case Storage::kPassedOn:
      case Storage::kMean: return values_[operation.output.value].wanted;
    }
    return false;
  }

  // Makes sure that a value is stored narrow or wide, and lets `read` be that one.
  void take(Operand& read, bool narrow) {
    Value& value = values_[read.value];
    Operand& stored = narrow ? value.narrow : value.wide;
    if (stored.value < 0) {
      stored.value = program_.values++;
      Operation conversion;
      conversion.converts = true;
      conversion.node = value.node;
      conversion.input = narrow ? value.wide : value.narrow;
      conversion.output = stored;
      program_.operations.push_back(conversion);
    }
    read = stored;
  }

  // The format of what the operation gives, and the operation itself.
  void give(Operation& operation, bool narrow) {
    const Node& node = program_.node(operation);
    Value& value = values_[operation.output.value];
    value.node = operation.node;
    if (value.wanted) value.narrow.format = narrow_format(operation, narrow);
    // What computes in float32 does not round, but for the network's input. So does an activation other than ReLU.
    const bool rounds = narrow && (activation(program_, operation) == nullptr || ends_with_relu(program_, operation));
    const bool gives_narrow = value.wanted && (rounds || storage(node.op) == Storage::kGiven);
    Operand& stored = gives_narrow ? value.narrow : value.wide;
    stored.value = operation.output.value;
    operation.output = stored;
    program_.operations.push_back(operation);
  }

  ValueFormat narrow_format(const Operation& operation, bool narrow) const {
    if (precision_ == Precision::kBf16) return {ValueType::kBf16};
    const Node& node = program_.node(operation);
    if (narrow && storage(node.op) == Storage::kPassedOn) return operation.input.format;
    const std::string name = label(node);
    const std::optional<OutputScale> scale = output_scale(weights_, name);
    if (!scale) fail(ErrorCode::kMismatch, "tensor '" + name + kOutputScale + "'", "is not there");
    const bool from_zero = ends_with_relu(program_, operation);
    if (from_zero && scale->zero_point != 0) {
      fail(ErrorCode::kMismatch, "tensor '" + name + kOutputZeroPoint + "'", "{} is not 0, which what a ReLU gives has",
           scale->zero_point);
    }
    return {ValueType::kU8, scale->scale, scale->zero_point};
  }

  Program program_;
  const StateDict& weights_;
  const Precision precision_;
  std::vector<Value> values_;
  std::vector<Operation> operations_;  // without formats
};

}  // namespace

Storage storage(Op op) noexcept {
  switch (op) {
    case Op::kInput: return Storage::kGiven;
    case Op::kConv:
    case Op::kLinear: return Storage::kLayer;
    case Op::kMaxPool:
    case Op::kAveragePool:
    case Op::kGlobalMaxPool:
    case Op::kPadShortcut: return Storage::kPassedOn;
    case Op::kGlobalAveragePool: return Storage::kMean;
    case Op::kBlur:
    case Op::kBatchNorm:
    case Op::kActivation:
    case Op::kAdd:
    case Op::kConcat:
    case Op::kFlatten: break;
  }
  return Storage::kFloat;
}

std::string_view name(Precision precision) noexcept { return kNames[static_cast<int>(precision)]; }

Precision parse_precision(std::string_view name) {
  for (int i = 0; i < 4; ++i) {
    if (kNames[i] == name) return static_cast<Precision>(i);
  }
  fail(ErrorCode::kInvalidArgument, "precision", "'{}' is not one of {}", name, fmt::join(kNames, ", "));
}

Program give_formats(Program program, const StateDict& weights, Precision precision) {
  switch (precision) {
    case Precision::kFp32: return program;
    case Precision::kBf16:
    case Precision::kInt8: return FormatGiver(std::move(program), weights, precision).run();
    case Precision::kAuto: break;
  }
  RESNET_ASSERT(false);
  return program;
}

}  // namespace resnet
