// Batch-norm statistics from data, for weights that have none that mean anything: freshly initialised ones.
#pragma once

#include <span>

#include "resnet/graph.h"
#include "resnet/tensor.h"

namespace resnet {

// `weights` with running_mean and running_var of every batch norm replaced by the mean and variance (biased) of that
// batch norm's own input. One forward pass: a batch norm sees activations that those before it have already normalised
// with the new statistics. `input` is NCHW and of `shape`. `threads` as in EngineOptions. Throws what Engine throws.
StateDict calibrate_batch_norms(const Graph& graph, const StateDict& weights, std::span<const float> input,
                                const FeatureShape& shape, int threads = 0);

}  // namespace resnet
