// Files of this room that are part of the program (cmake/embed.cmake).
#pragma once

#include <string_view>

namespace resnet {

// Roboto Regular (Apache License 2.0): Latin, Greek, Cyrillic and the signs of reports, without hinting. Made by
//   pyftsubset Roboto-Regular.ttf --no-hinting --layout-features=kern --drop-tables+=DSIG,GSUB,GDEF --notdef-outline
//     --unicodes=U+0020-007E,U+00A0-017F,U+0370-03FF,U+0400-045F,U+2010-2027,U+2030,U+2032,U+2033,U+2039,U+203A,U+20AC,
//     U+2122,U+2190-2193,U+2212,U+2248,U+2260,U+2264,U+2265,U+FFFD
std::string_view roboto_ttf() noexcept;

// How report pages look, and the little that they do: sorting tables.
std::string_view page_css() noexcept;
std::string_view page_js() noexcept;

}  // namespace resnet
