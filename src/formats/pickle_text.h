// The values that pickles of protocol 0 write as lines of text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace resnet::pickle {

// "-12", or "12L" as Python 2 wrote long ones; nothing for other text and beyond 64 bits.
std::optional<std::int64_t> parse_integer(std::string_view line);

// As Python's repr() writes them: "0.1", "1e-05", "inf", "nan".
std::optional<double> parse_float(std::string_view line);

// A quoted string with Python's escapes: 'it\'s', "\x00\n". Its bytes; nothing where it is none.
std::optional<std::string> parse_quoted(std::string_view line);

// Python's raw-unicode-escape: bytes are characters U+0000 to U+00FF, others stand as \uXXXX and \UXXXXXXXX. As UTF-8;
// nothing where a surrogate or a number beyond Unicode stands there.
std::optional<std::string> parse_unicode(std::string_view line);

// Appends the character as UTF-8.
void append_utf8(std::uint32_t code, std::string& out);

}  // namespace resnet::pickle
