// A network under names that nobody is known to give, by the shapes and the order of its tensors.
//
// Convolutions and batch norms stand in a file in the order in which a network's modules were made, which is that of
// its layers; files that sort names keep it where names count. The k-th norm is the k-th convolution's. What shapes do
// not settle is settled by no guess: there is then no network.
#pragma once

#include <optional>

#include "weights/found_network.h"

namespace resnet {

std::optional<FoundNetwork> find_by_order(const StateDict& tensors);

}  // namespace resnet
