// Text that came from a file or names one: is it UTF-8, and how to show it to people.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace resnet {

// Length of the longest prefix that is well-formed UTF-8 (Unicode 15, table 3-7): text.size() where all of it is.
std::size_t valid_utf8_prefix(std::string_view text) noexcept;

// Whether the first character, which must be well formed, is a control character or ends a line (U+2028, U+2029).
bool is_control(std::string_view text) noexcept;

// The text with control characters and broken bytes written as \xNN: a hostile name can neither break a line nor steer
// a terminal.
std::string printable(std::string_view text);

// The same, cut after about `max_bytes`.
std::string one_line(std::string_view text, std::size_t max_bytes = 100);

// Whether the text is one digit or more, 0 to 9, and nothing else.
inline bool all_digits(std::string_view text) noexcept {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace resnet
