// Files of this room that are part of the program (cmake/embed.cmake).
#pragma once

#include <string_view>

namespace resnet {

// Roboto Regular (Apache License 2.0), as the system has it.
std::string_view roboto_regular_ttf() noexcept;

// How report pages look, and the little that they do: sorting tables.
std::string_view page_css() noexcept;
std::string_view page_js() noexcept;

}  // namespace resnet
