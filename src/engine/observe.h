// What goes into the batch norms of a network: a run in which each node is a step of its own, so that nothing is taken
// in by a layer.
#pragma once

#include <functional>
#include <span>

#include "resnet/graph.h"
#include "resnet/tensor.h"

namespace resnet {

// The input of a batch norm, before it: NHWC, a pixel's channels padded to `row` values.
struct NormInput {
  const Node* node;
  FeatureShape shape;
  std::span<const float> values;
  std::int64_t row;
};

// One forward pass of `input` (NCHW, of `shape`) that calls see() with each batch norm's input, in order. What see()
// changes in `weights` of that batch norm holds from there on. `threads` as in EngineOptions. Throws what Engine
// throws, and kMismatch for other values than the shape says.
void observe_norms(const Graph& graph, StateDict& weights, std::span<const float> input, const FeatureShape& shape,
                   int threads, const std::function<void(const NormInput&)>& see);

}  // namespace resnet
