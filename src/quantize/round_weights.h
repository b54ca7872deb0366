// Weights as int8, and what their rounding does to the means of what a layer gives.
#pragma once

#include <span>
#include <vector>

#include "program/program.h"
#include "resnet/graph.h"
#include "resnet/tensor.h"

namespace resnet {

struct RoundedWeights {
  Tensor quantized;    // I8, of the weights' shape
  Tensor scales;       // F32, one per output channel
  double sqnr_db = 0;  // 10 log10(sum w^2 / sum (w - w')^2)
};

// The weights of a convolution or linear layer, symmetric per output channel: w' = scale * quantized, from -127 to
// 127, and keep the strictest rule of any processor's kernels (kernels/weight_rule.h) where that pays. Of scales around
// that of the largest weight, the one with the least squared error: smaller ones cut large weights off, and with larger
// ones fewer sets have to be made shorter.
RoundedWeights round_weights(const Node& node, const Tensor& weights);

// By how much rounding moves the mean of each output channel of a convolution or linear layer, before its batch norm:
// sum over inputs of (w' - w) * E[x] (Nagel et al. 2019, arXiv:1906.04721, section 4.2). `means` are E[x] per input
// channel; a tap of the window counts for the share of outputs where it lies inside the picture.
std::vector<double> mean_shifts(const Node& node, const FeatureShape& in, const FeatureShape& out,
                                const Tensor& weights, const RoundedWeights& rounded, std::span<const double> means);

// Takes the shifts back: they are added to the running mean of the layer's batch norm, or else subtracted from its
// bias.
void correct_bias(const Graph& graph, const Operation& operation, std::span<const double> shifts, StateDict& weights);

}  // namespace resnet
