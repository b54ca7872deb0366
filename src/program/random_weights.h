// For tests: weights under which no part of a network is without effect.
#pragma once

#include <cmath>
#include <random>
#include <vector>

#include "resnet/graph.h"
#include "resnet/tensor.h"

namespace resnet {

inline std::vector<float> random_values(std::int64_t count, float low, float high, std::mt19937& random) {
  std::vector<float> values(static_cast<std::size_t>(count));
  std::uniform_real_distribution<float> uniform(low, high);
  for (float& value : values) value = uniform(random);
  return values;
}

// Convolutions as He et al. 2015 initialise them, every batch norm different, some gammas negative.
inline StateDict random_weights(const Graph& graph, unsigned seed) {
  std::mt19937 random(seed);
  StateDict weights;
  for (const Parameter& parameter : parameters(graph)) {
    const std::int64_t count = element_count(parameter.shape);
    const Op op = graph.nodes[static_cast<std::size_t>(parameter.node)].op;
    if (parameter.dtype != DType::kF32) {
      weights.add(parameter.name, Tensor::zeros(parameter.dtype, parameter.shape));
      continue;
    }
    float low = -0.3F, high = 0.3F;
    if (parameter.name.ends_with("running_var")) {
      low = 0.5F, high = 2.0F;
    } else if (op == Op::kBatchNorm && parameter.name.ends_with("weight")) {
      low = -0.5F, high = 1.5F;
    } else if (parameter.shape.size() > 1) {
      high = std::sqrt(6.0F * static_cast<float>(parameter.shape[0]) / static_cast<float>(count));
      low = -high;
    }
    weights.add(parameter.name, Tensor::from(random_values(count, low, high, random), parameter.shape));
  }
  return weights;
}

}  // namespace resnet
