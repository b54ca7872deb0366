// A network told to people: the table of its layers, the paper's table 1, PyTorch's module tree, a drawing.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resnet/graph.h"

namespace resnet {

// One picture of the size that the network was made for: 224, or 32 for CIFAR.
FeatureShape usual_input(const Architecture& architecture) noexcept;

// A place in the network whose output people ask for: "conv1" (the whole stem before pooling), "maxpool" (whichever
// pooling), "layer1", ..., "fc", or without a head "avgpool".
struct Landmark {
  std::string name;
  int node = 0;  // the last one that belongs to it
};
std::vector<Landmark> landmarks(const Graph& graph);

// Layers with weights on the longest way from input to output: the 50 of ResNet-50.
int depth(const Architecture& architecture) noexcept;

// Learned values that each node owns, one per node.
std::vector<std::int64_t> parameter_counts(const Graph& graph);

// MACs of all nodes for these shapes.
std::int64_t total_macs(const Graph& graph, std::span<const FeatureShape> shapes) noexcept;

// "4x64x56x56"; "4x1000" after flattening. `shape` is the output of `node`.
std::string shape_text(const Graph& graph, std::size_t node, const FeatureShape& shape);

// What people call the node: its path, or "input", "layer1.0" (the addition of a block), "flatten".
std::string label(const Node& node);

// What the node is in JSON: "conv", "batch_norm"; of an activation which one, "relu".
std::string_view operation_name(const Node& node) noexcept;

// "conv 3x3 /2, 32 groups", "max pool 3x3 /2", "add shortcut".
std::string operation_text(const Node& node);

// "ReLU", "leaky ReLU", "SiLU": as papers write them.
std::string_view title(Activation activation) noexcept;

// "50 layers, bottleneck blocks 3-4-6-3": what the architecture is, in one line.
std::string headline(const Architecture& architecture);

// A row per node with output shape, parameters and MACs; totals; the shape after each landmark. `shapes` has one entry
// per node, as infer_shapes gives it.
std::string layer_table(const Graph& graph, std::span<const FeatureShape> shapes);

// Table 1 of the paper: a row per stage, a column per network. `inputs` has one entry per graph.
std::string comparison_table(std::span<const Graph> graphs, std::span<const FeatureShape> inputs);

// What print(model) prints in PyTorch 2.13 for the network's layout, the newline at the end included.
std::string module_tree(const Graph& graph);

// The network and its blocks as an SVG file, for light and dark backgrounds.
std::string draw_svg(const Graph& graph);

}  // namespace resnet
