#include "program/backward.h"

namespace resnet {

GradientReads gradient_reads(const Program& program, const Operation& operation) noexcept {
  GradientReads reads;
  const bool adds = operation.epilogue.add >= 0;
  const bool relu = ends_with_relu(program, operation);
  switch (program.node(operation).op) {
    case Op::kConv:
    case Op::kLinear:  // the gradient of the weights
      reads.input = true;
      reads.output = relu;
      break;
    case Op::kBatchNorm:  // where nothing is added, what the ReLU cut off is seen from the input as well
      reads.input = true;
      reads.output = relu && adds;
      break;
    case Op::kMaxPool:
    case Op::kGlobalMaxPool: reads.input = true; break;  // its largest values are found again
    case Op::kActivation:
      (program.node(operation).activation == Activation::kRelu ? reads.output : reads.input) = true;
      break;
    case Op::kAdd: reads.output = relu; break;
    case Op::kInput:
    case Op::kAveragePool:
    case Op::kBlur:
    case Op::kPadShortcut:
    case Op::kGlobalAveragePool:
    case Op::kConcat:
    case Op::kFlatten: break;
  }
  return reads;
}

std::vector<Kept> kept_for_backward(const Program& program) {
  std::vector<Kept> kept(program.values, Kept::kNot);
  for (const Operation& operation : program.operations) {
    const GradientReads reads = gradient_reads(program, operation);
    if (reads.input) kept[operation.input.value] = Kept::kStored;
    if (reads.output) kept[operation.output.value] = Kept::kStored;
  }
  for (const Operation& operation : program.operations) {
    const bool norm = program.node(operation).op == Op::kBatchNorm;
    Kept& given = kept[operation.output.value];
    if (norm && operation.epilogue.add < 0 && given == Kept::kStored) given = Kept::kRemade;
  }
  return kept;
}

}  // namespace resnet
