// The table of operations: what each has for a name, shapes, parameters and multiply-adds. graph.cc reads it for whole
// graphs; whatever else treats operations differently names every one of them in a switch, and does not compile where
// one is missing (CMakeLists.txt: -Werror=switch and switch-enum).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "resnet/graph.h"

namespace resnet {

struct OperationInfo {
  std::string_view name;  // in JSON and in tables

  // Sums of values times weights: what has multiply-adds, and weights that may be int8.
  bool is_layer = false;

  // Gives channels alone: no height and width are told.
  bool is_flat = false;

  // The shape of the output, from that of the first input.
  FeatureShape (*output)(const Node& node, const FeatureShape& in);

  // Without the node's path ("." comes first) and index; in the order of PyTorch's state_dict().
  std::vector<Parameter> (*parameters)(const Node& node);

  // Multiply-adds for one value of the output.
  std::int64_t (*macs_per_value)(const Node& node) noexcept;
};

OperationInfo info(Op op) noexcept;

// Whether a node of the graph gives channels alone: it is flat, or works on single values and reads what is.
bool gives_flat(const Graph& graph, std::size_t node);

}  // namespace resnet
