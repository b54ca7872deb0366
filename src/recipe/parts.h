// The parts of a network that recipes speak of: "stem", "layer1" to "layer8", "head".
#pragma once

#include <string>
#include <utility>

namespace resnet {

bool is_part_of_network(const std::string& name) noexcept;

// "layer1=0.1" as a part and a factor from 0 to 1e6. Throws kInvalidArgument; the place is `where`.
std::pair<std::string, double> parse_part_factor(const std::string& text, const std::string& where);

}  // namespace resnet
