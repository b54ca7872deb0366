// Networks under names that somebody is known to give (network_names.h).
#pragma once

#include "weights/found_network.h"

namespace resnet {

std::vector<FoundNetwork> find_by_name(const StateDict& tensors);

}  // namespace resnet
