#include "program/program.h"

#include "base/error.h"

namespace resnet {

Activation activation(const Program& program, const Operation& operation) noexcept {
  if (operation.epilogue.activation < 0) return Activation::kNone;
  switch (program.graph.nodes[operation.epilogue.activation].op) {
    case Op::kRelu: return Activation::kRelu;
    case Op::kInput:
    case Op::kConv:
    case Op::kBatchNorm:
    case Op::kMaxPool:
    case Op::kAveragePool:
    case Op::kPadShortcut:
    case Op::kAdd:
    case Op::kGlobalAveragePool:
    case Op::kFlatten:
    case Op::kLinear: break;  // lower() takes none of them for one
  }
  RESNET_ASSERT(false);
  return Activation::kNone;
}

std::vector<Lifetime> lifetimes(const Program& program) {
  std::vector<Lifetime> result(program.values);
  for (int now = 0; now < static_cast<int>(program.operations.size()); ++now) {
    const Operation& operation = program.operations[now];
    for_each_read(operation, [&](const Operand& read) { result[read.value].last_read = now; });
    result[operation.output.value] = {now, now};
  }
  return result;
}

bool is_cut(const Program& program, int operation) {
  const std::vector<Lifetime> lives = lifetimes(program);
  const int link = program.operations[operation].output.value;
  for (int value = 0; value < program.values; ++value) {
    const Lifetime& life = lives[value];
    if (value != link && life.given <= operation && life.last_read > operation) return false;
  }
  return true;
}

}  // namespace resnet
