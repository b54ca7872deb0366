// Networks in int8: the tensors that their weights have besides the graph's parameters (docs/model-file.md).
//
//   X.weight             I8, in the parameter's shape: what a convolution or linear layer X multiplies with
//   X.weight_scale       F32, one per output channel: real weight = weight * weight_scale
//   X.output_scale       F32, a scalar; X.output_zero_point, U8, a scalar: how u8 values stand for what layer X gives
//                        after its batch norm, shortcut and ReLU: real = scale * (quantized - zero point). X is
//                        "input" for what the network is given.
//
// Layers whose weights are floating point are computed in floating point.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "program/program.h"
#include "resnet/tensor.h"

namespace resnet {

inline constexpr const char* kWeightScale = ".weight_scale";
inline constexpr const char* kOutputScale = ".output_scale";
inline constexpr const char* kOutputZeroPoint = ".output_zero_point";

// True where the weights of the layer at `path` are int8.
bool is_quantized(const StateDict& weights, const std::string& path);

// True where any layer's are.
bool is_quantized(const Graph& graph, const StateDict& weights);

struct OutputScale {
  float scale = 1;
  std::uint8_t zero_point = 0;
};

// Of the value named so, absent where the tensors are.
std::optional<OutputScale> output_scale(const StateDict& weights, const std::string& value);

// True where the values that an operation gives have a scale of their own when they are quantized: its name is the
// label (arch/describe.h) of the operation's node. The logits are not quantized, and pools pass on what they read.
bool has_output_scale(const Program& program, const Operation& operation);

// A tensor of the kinds above, other than weights, that a network may have.
struct QuantizationTensor {
  std::string name;
  const Node* node;  // of the graph
};

// All of a graph as it is lowered for inference, in the order of its nodes.
std::vector<QuantizationTensor> quantization_tensors(const Graph& graph);

// What is wrong with one that is among the weights, empty where nothing is: its type, its shape, a scale that is not
// between 1e-20 and 1e20, a companion that is missing, a layer too wide for sums of 32 bits.
std::string quantization_problem(const QuantizationTensor& tensor, const StateDict& weights);

// Weights without them: int8 ones multiplied with their scales, everything else as it was.
StateDict dequantized(const Graph& graph, const StateDict& weights);

// The weights of one layer as float32, whatever they are stored as.
Tensor float_weights(const StateDict& weights, const std::string& path);

}  // namespace resnet
