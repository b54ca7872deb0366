#include "program/program.h"

namespace resnet {

const Node* activation(const Program& program, const Operation& operation) noexcept {
  const int index = operation.epilogue.activation;
  return index < 0 ? nullptr : &program.graph.nodes[index];
}

bool ends_with_relu(const Program& program, const Operation& operation) noexcept {
  const Node* node = activation(program, operation);
  return node != nullptr && node->activation == Activation::kRelu;
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
