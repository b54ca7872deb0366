// A line of a CSV file.
#pragma once

#include <string>
#include <string_view>

namespace resnet {

// A field (RFC 4180): quoted where it must be.
std::string csv_field(std::string_view text);

}  // namespace resnet
