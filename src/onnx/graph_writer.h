// The one graph in ONNX's words: each step as operators, each tensor as an initialiser.
#pragma once

#include <onnx_schema/onnx.pb.h>

#include <vector>

#include "engine/steps.h"
#include "resnet/graph.h"
#include "resnet/tensor.h"

namespace resnet {

// Fills `out`, empty before. `steps` are the graph's: plain ones give a node for each of its nodes; fused ones with
// formats give the int8 network as the engine computes it, numbers of 8 bits written as pairs of QuantizeLinear and
// DequantizeLinear. `weights` are the graph's. The batch of `input` is left open in the file.
void write_graph(const Graph& graph, const std::vector<Step>& steps, const StateDict& weights,
                 const FeatureShape& input, onnx::GraphProto& out);

}  // namespace resnet
