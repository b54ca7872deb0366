// What an engine computes in.
#pragma once

#include "kernels/kernels.h"
#include "resnet/engine.h"

namespace resnet {

// What an engine with these options computes in. Throws kUnsupported for bf16 where `kernels` have none, kMismatch for
// int8 where no weights are int8, kInvalidArgument for a program that is not fused in another precision than fp32.
Precision choose_precision(const Graph& graph, const StateDict& weights, const EngineOptions& options,
                           const Kernels& kernels);

}  // namespace resnet
