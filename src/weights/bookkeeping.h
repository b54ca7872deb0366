// Tensors that training leaves beside a network and that no answer depends on: the optimiser's state, counters of
// operations, losses, metrics, queues. They are passed over, and `resnet inspect` names them.
#pragma once

#include <string_view>

namespace resnet {

// `name` as it stands in the file, with all that stands before it.
bool is_bookkeeping(std::string_view name) noexcept;

// A mean or a standard deviation of pictures' channels, with which a network prepares its pictures itself.
bool is_normalisation(std::string_view name) noexcept;

// A projection that self-supervised learning puts behind a network, and that is no classifier: SimCLR's, MoCo's, ...
bool is_projection(std::string_view module) noexcept;

}  // namespace resnet
