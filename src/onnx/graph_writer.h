// The one graph in ONNX's words: each node as an operator, each tensor of the state dict as an initialiser.
#pragma once

#include <onnx_schema/onnx.pb.h>

#include "resnet/graph.h"
#include "resnet/tensor.h"

namespace resnet {

// Fills `out`, empty before. `weights` are the graph's. The batch of `input` is left open in the file.
void write_graph(const Graph& graph, const StateDict& weights, const FeatureShape& input, onnx::GraphProto& out);

}  // namespace resnet
