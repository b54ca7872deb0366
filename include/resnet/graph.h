// A network as a flat list of operations: the one description that printing, counting, weight checks, the engine, the
// trainer and the exporters all read.
//
// Nodes stand in an order in which they can be computed: a node's inputs come before it. A node remembers the path of
// the module it came from ("layer1.0.conv2"), which is also the prefix of its parameters' names in a state dict.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "resnet/architecture.h"
#include "resnet/tensor.h"

namespace resnet {

enum class Op {
  kInput,
  kConv,
  kBatchNorm,
  kActivation,
  kMaxPool,
  kAveragePool,  // a window never counts padding
  kBlur,         // 3x3, weights 1 2 1 by 1 2 1 over 16; the padding reflects the picture
  kPadShortcut,  // option A: every stride-th pixel, new channels zero, half before and half after
  kAdd,          // inputs: F(x), shortcut
  kGlobalAveragePool,
  kGlobalMaxPool,
  kConcat,  // inputs: channels of the first, then those of the second
  kFlatten,
  kLinear,
};
std::string_view name(Op op) noexcept;  // "conv", "batch_norm", ...

// Fields that an operation does not use keep their defaults.
struct Node {
  Op op = Op::kInput;
  std::string path;  // of the module; shared by nodes that reuse a module, such as a block's relu; "" for input, add
  std::vector<int> inputs;  // indices of earlier nodes
  int in_channels = 0;
  int out_channels = 0;
  int kernel = 1;  // windows are square
  int stride = 1;
  int padding = 0;
  int dilation = 1;
  int groups = 1;
  bool bias = false;       // conv and linear
  bool ceil_mode = false;  // pools: the last windows may be cut short
  float epsilon = 1e-5F;   // batch norm: what it adds to variances
  Activation activation = Activation::kRelu;
  float negative_slope = 0.01F;  // of a leaky ReLU
  int stage = -1;                // 0 for layer1, ...; -1 for stem and head
  int block = -1;                // within the stage
};

struct Graph {
  Architecture architecture;
  std::vector<Node> nodes;  // nodes[0] is the input; the last one gives the logits, or a backbone's features

  const Node& output() const { return nodes.back(); }
};

// Throws what validate() throws.
Graph expand(const Architecture& architecture);

// Sizes of a node's output: batch, channels, height, width (1x1 after global pooling and the classifier).
struct FeatureShape {
  std::int64_t batch = 0, channels = 0, height = 0, width = 0;
  std::int64_t count() const noexcept { return batch * channels * height * width; }
  bool operator==(const FeatureShape&) const = default;
};

// One shape per node. Throws kMismatch where the channels are not the network's, kInvalidArgument where an image is too
// small to leave a pixel, a size is over 65,535, or strides leave F(x) and shortcut different sizes, kLimit where the
// MACs would not fit in 63 bits.
std::vector<FeatureShape> infer_shapes(const Graph& graph, const FeatureShape& input);

// A tensor of the state dict.
struct Parameter {
  std::string name;  // "layer1.0.conv1.weight"
  Shape shape;
  DType dtype = DType::kF32;  // kI64 for num_batches_tracked
  bool learned = true;        // false for buffers: running_mean, running_var, num_batches_tracked
  int node = 0;               // the index of the node that owns it
};

// Every tensor of the network in the order of PyTorch's state_dict().
std::vector<Parameter> parameters(const Graph& graph);

// Number of learned values: what people call the parameters of a network.
std::int64_t parameter_count(const Graph& graph);

// Multiply-accumulate operations of a node for its output shape (conv and linear; 0 for others).
std::int64_t macs(const Node& node, const FeatureShape& output) noexcept;

}  // namespace resnet
