// Answers that mean nothing: weights can be finite, and what the network makes of them not.
#pragma once

#include <span>
#include <string_view>

namespace resnet {

// Throws kUnsupported, saying how many, where some of what the network computed for the picture `where` (scores of
// classes, an embedding) is NaN or infinite.
void check_answer(std::span<const float> values, std::string_view where);

}  // namespace resnet
