#include "explain/layers.h"

#include "base/error.h"
#include "base/text.h"

namespace resnet {

int find_layer(const Graph& graph, std::string_view layer) {
  int found = -1;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    const bool pools = node.op == Op::kGlobalAveragePool || node.op == Op::kConcat;
    const bool here = node.stage < 0 ? pools && layer == node.path
                                     : layer == fmt::format("layer{}", node.stage + 1) ||
                                           layer == fmt::format("layer{}.{}", node.stage + 1, node.block);
    if (here) found = static_cast<int>(i);  // the last node is the output
  }
  if (found < 0) {
    fail(ErrorCode::kNotFound, "layer", "there is no '{}'; there are layer1 to {}, their blocks (layer1.0) and avgpool",
         one_line(layer), last_stage(graph));
  }
  return found;
}

std::string last_stage(const Graph& graph) { return fmt::format("layer{}", graph.architecture.depths.size()); }

}  // namespace resnet
