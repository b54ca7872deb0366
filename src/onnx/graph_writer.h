// A program in ONNX's words: each operation as operators, each tensor as an initialiser.
#pragma once

#include <onnx_schema/onnx.pb.h>

#include "program/program.h"
#include "resnet/tensor.h"

namespace resnet {

// Fills `out`, empty before. A program with an operation per node gives a node for each of the graph's; one with
// formats for int8 gives that network as the engine computes it, quantized values written as pairs of QuantizeLinear
// and DequantizeLinear. `weights` are the program's. The batch of `input` is left open in the file.
void write_program(const Program& program, const StateDict& weights, const FeatureShape& input, onnx::GraphProto& out);

}  // namespace resnet
