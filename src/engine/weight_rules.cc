#include "engine/weight_rules.h"

#include "program/quantized.h"

namespace resnet {

bool keeps(WeightRule rule, const Node& node, const Tensor& weights) {
  const Tensor codes = weights.in_memory();
  const std::span<const std::byte> bytes = codes.bytes();
  return keeps(rule, weight_shape(node), std::span(reinterpret_cast<const std::int8_t*>(bytes.data()), bytes.size()));
}

std::vector<WeightRule> find_weight_rules(const Program& program, const StateDict& weights, const Kernels& kernels) {
  std::vector<WeightRule> rules(program.graph.nodes.size(), WeightRule::kNone);
  const WeightRule rule = kernels.weight_rule();
  if (rule == WeightRule::kNone) return rules;
  for (const Operation& operation : program.operations) {
    const Node& node = program.node(operation);
    const bool quantized = !operation.converts && operation.input.format.type == ValueType::kU8;
    if (!quantized || !is_quantized(weights, node.path)) continue;
    if (keeps(rule, node, weights.at(node.path + ".weight"))) rules[operation.node] = rule;
  }
  return rules;
}

}  // namespace resnet
