// What int8 weights keep of the rules that algorithms have for them (kernels/weight_rule.h): plans say so of each
// layer.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kernels.h"
#include "program/program.h"
#include "resnet/tensor.h"

namespace resnet {

// Of a convolution or linear layer.
inline WeightShape weight_shape(const Node& node) {
  return {node.out_channels, node.in_channels, node.kernel, node.groups};
}

// Whether the weights of a layer, I8, keep the rule, and that brings something.
bool keeps(WeightRule rule, const Node& node, const Tensor& weights);

// Of each node, what its weights keep of the rule that the fastest of `kernels` have for them.
std::vector<WeightRule> find_weight_rules(const Program& program, const StateDict& weights, const Kernels& kernels);

}  // namespace resnet
