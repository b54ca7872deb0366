// The layers that people name when they look into a network.
#pragma once

#include <string>
#include <string_view>

#include "resnet/graph.h"

namespace resnet {

// The node whose output is that of "layer3" (a stage), "layer3.0" (a block) or "avgpool". Throws kNotFound naming what
// there is.
int find_layer(const Graph& graph, std::string_view layer);

// "layer4" of a network with four stages.
std::string last_stage(const Graph& graph);

}  // namespace resnet
