// What the encoders of single formats share.
#pragma once

#include <cstddef>
#include <string_view>

#include "resnet/image.h"

namespace resnet {

// Throws kInvalidArgument where the picture is neither gray nor RGB, has sides below 1 or above `max_side`, or holds
// another number of values than they say. `format` names the file that cannot be made.
void check_encodable(const Image& image, int max_side, std::string_view format);

}  // namespace resnet
