// Suggestions for a name that somebody mistyped.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace resnet {

// The `count` candidates with the fewest insertions, deletions, replacements and swaps from `text` (optimal string
// alignment distance), nearest first, ties in the order given.
std::vector<std::string> nearest(std::string_view text, std::span<const std::string> candidates, std::size_t count);

}  // namespace resnet
