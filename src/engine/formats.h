// How values are stored between steps, for a precision.
//
// fp32 and bf16 store everything so, but for bf16's logits. In int8, a value is u8 where a layer with int8 weights
// reads it; float32 where a layer in floating point does, and the logits are; where readers differ, steps that convert
// stand between. Pooling and option A's shortcut pass numbers on as they are.
#pragma once

#include <vector>

#include "engine/steps.h"
#include "kernels/kernels.h"
#include "resnet/engine.h"
#include "resnet/graph.h"
#include "resnet/precision.h"
#include "resnet/tensor.h"

namespace resnet {

// What an engine with these options computes in. Throws kUnsupported for bf16 where `kernels` have none, kMismatch for
// int8 where no weights are int8, kInvalidArgument for steps that are not fused in another precision than fp32.
Precision choose_precision(const Graph& graph, const StateDict& weights, const EngineOptions& options,
                           const Kernels& kernels);

// The steps with their formats, and conversions in between. Throws kMismatch where the scale of a value that has to be
// u8 is not among the weights, or has a zero point although a ReLU gives the value.
std::vector<Step> give_formats(const Graph& graph, std::vector<Step> steps, const StateDict& weights,
                               Precision precision);

// The same steps, with what they say of short weights where `kernels` use it.
std::vector<Step> find_short_weights(const Graph& graph, std::vector<Step> steps, const StateDict& weights,
                                     const Kernels& kernels);

}  // namespace resnet
