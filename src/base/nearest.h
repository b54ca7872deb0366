// Suggestions for a name that somebody mistyped.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace resnet {

// The `count` candidates with the fewest insertions, deletions, replacements and swaps from `text` (optimal string
// alignment distance), nearest first, ties in the order given. One that differs in more than a third of the letters of
// the longer of the two is no suggestion: there may be fewer, or none.
std::vector<std::string> nearest(std::string_view text, std::span<const std::string> candidates, std::size_t count);

// "; did you mean 'a', 'b'?", to stand behind an error; empty where nothing is near. `quote` stands around each name.
std::string did_you_mean(std::string_view text, std::span<const std::string> candidates, std::size_t count = 1,
                         std::string_view quote = "");

}  // namespace resnet
