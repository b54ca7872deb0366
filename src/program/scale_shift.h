// What is done to each channel as one multiplication and one addition, y = x * scale + shift, where nothing learns.
#pragma once

#include <string>
#include <vector>

#include "program/program.h"
#include "resnet/tensor.h"

namespace resnet {

struct ScaleShift {
  std::vector<double> scale;
  std::vector<double> shift;
};

// Batch norm at inference (Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 2) of a node of that kind:
// scale = gamma / sqrt(variance + epsilon), shift = beta - mean * scale.
ScaleShift batch_norm(const StateDict& weights, const Node& node);

// Per output channel of a layer, what is done to sums of its inputs times its weights as they are stored: its own bias,
// the batch norm that it took in, and the scale of int8 weights.
// scale * (w x + b) + shift = (scale * w) x + (scale * b + shift).
ScaleShift scale_shift_of_sums(const Program& program, const StateDict& weights, const Operation& operation);

}  // namespace resnet
