// Weights of an untrained network.
#pragma once

#include <cstdint>

#include "resnet/graph.h"

namespace resnet {

// Convolutions: normal with mean 0 and variance 2 / (k * k * output channels) (He et al. 2015, arXiv:1502.01852,
// equation 14: the backward form, PyTorch's fan_out) and biases of zero. Batch norm: the identity. Linear: weights and
// biases uniform within 1 / sqrt(inputs), PyTorch's default. The same seed gives the same weights on every machine
// whose log and sin agree to the precision of float32.
StateDict initial_weights(const Graph& graph, std::uint64_t seed);

}  // namespace resnet
