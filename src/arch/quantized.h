// Networks in int8: the tensors that their weights have besides the graph's parameters (docs/model-file.md).
//
//   X.weight             I8, in the parameter's shape: what a convolution or linear layer X multiplies with
//   X.weight_scale       F32, one per output channel: real weight = weight * weight_scale
//   X.output_scale       F32, a scalar; X.output_zero_point, U8, a scalar: how u8 numbers stand for what layer X gives
//                        after its batch norm, shortcut and ReLU: real = scale * (number - zero point). X is "input"
//                        for what the network is given.
//
// Layers whose weights are floating point are computed in floating point.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "resnet/graph.h"
#include "resnet/tensor.h"

namespace resnet {

inline constexpr const char* kWeightScale = ".weight_scale";
inline constexpr const char* kOutputScale = ".output_scale";
inline constexpr const char* kOutputZeroPoint = ".output_zero_point";

// The name under which a node's value has its scale: its path, "input" for the network's input.
std::string value_name(const Node& node);

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

// A tensor of the kinds above, other than weights, that a network may have.
struct QuantizationTensor {
  std::string name;
  const Node* node;  // of the graph
};

// All of a graph, in the order of its nodes.
std::vector<QuantizationTensor> quantization_tensors(const Graph& graph);

// What is wrong with one that is among the weights, empty where nothing is: its type, its shape, a scale that is not
// between 1e-20 and 1e20, a companion that is missing, a layer too wide for sums of 32 bits.
std::string quantization_problem(const QuantizationTensor& tensor, const StateDict& weights);

// Weights are short where no sum of four products of theirs with u8 numbers leaves 16 bits, so that processors without
// dot products of bytes may sum in 16 bits. The four are an output channel's weights at a tap of the window for the
// input channels 8v, 8v + 1, 8v + 4 and 8v + 5, or for the other four of these eight. The positive ones of the four sum
// to kShortSum at most, the negative ones to no less than -kShortSum. Nothing but speed depends on it, and not that
// of layers with fewer than kShortChannels input channels, which are computed row by row of the window.
inline constexpr int kShortSum = 128;  // 255 * 128 < 2^15
inline constexpr int kShortChannels = 8;

// Indices into the weights of one output channel as they are stored, -1 where a four has fewer.
using Four = std::array<int, 4>;
std::vector<Four> fours_of_channel(const Node& node, int out_channel);

// True where all weights of a layer are int8 and short, and it pays.
bool has_short_weights(const Node& node, const StateDict& weights);

// Weights without them: int8 ones multiplied with their scales, everything else as it was.
StateDict dequantized(const Graph& graph, const StateDict& weights);

// The weights of one layer as float32, whatever they are stored as.
Tensor float_weights(const StateDict& weights, const std::string& path);

}  // namespace resnet
