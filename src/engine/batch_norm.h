// Batch norm at inference (Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 2) as y = x * scale + shift per channel:
// scale = gamma / sqrt(variance + epsilon), shift = beta - mean * scale.
#pragma once

#include <string>
#include <vector>

#include "resnet/tensor.h"

namespace resnet {

struct ScaleShift {
  std::vector<double> scale;
  std::vector<double> shift;
};

// Of the batch norm whose parameters are at `path`.
ScaleShift batch_norm(const StateDict& weights, const std::string& path);

}  // namespace resnet
