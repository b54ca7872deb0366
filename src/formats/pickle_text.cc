#include "formats/pickle_text.h"

#include <charconv>

namespace resnet::pickle {
namespace {

// The number in the next `digits` hexadecimal digits.
std::optional<std::uint32_t> parse_hex(std::string_view text, std::size_t digits) {
  if (text.size() < digits) return std::nullopt;
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + digits, value, 16);
  if (error != std::errc() || end != text.data() + digits) return std::nullopt;
  return value;
}

// What a backslash and this letter stand for; nothing for the escapes of several letters.
std::optional<char> simple_escape(char letter) {
  switch (letter) {
    case '\\':
    case '\'':
    case '"': return letter;
    case 'a': return '\a';
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'v': return '\v';
    default: return std::nullopt;
  }
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view line) {
  if (line.ends_with('L')) line.remove_suffix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (error != std::errc() || end != line.data() + line.size()) return std::nullopt;
  return value;
}

std::optional<double> parse_float(std::string_view line) {
  double value = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
  if (error == std::errc::invalid_argument || end != line.data() + line.size()) return std::nullopt;
  return value;
}

std::optional<std::string> parse_quoted(std::string_view line) {
  if (line.size() < 2 || line.front() != line.back() || (line.front() != '\'' && line.front() != '"')) {
    return std::nullopt;
  }
  line = line.substr(1, line.size() - 2);
  std::string result;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] != '\\') {
      result += line[i];
      continue;
    }
    if (++i == line.size()) return std::nullopt;
    if (const auto simple = simple_escape(line[i])) {
      result += *simple;
    } else if (line[i] == 'x') {
      const auto code = parse_hex(line.substr(i + 1), 2);
      if (!code) return std::nullopt;
      result += static_cast<char>(*code);
      i += 2;
    } else {
      result += '\\';  // Python leaves what it does not know as it is
      result += line[i];
    }
  }
  return result;
}

std::optional<std::string> parse_unicode(std::string_view line) {
  std::string result;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const bool escaped = line[i] == '\\' && i + 1 < line.size() && (line[i + 1] == 'u' || line[i + 1] == 'U');
    if (!escaped) {
      append_utf8(static_cast<unsigned char>(line[i]), result);
      continue;
    }
    const std::size_t digits = line[i + 1] == 'u' ? 4 : 8;
    const auto code = parse_hex(line.substr(i + 2), digits);
    if (!code || *code > 0x10FFFF || (*code >= 0xD800 && *code <= 0xDFFF)) return std::nullopt;
    append_utf8(*code, result);
    i += 1 + digits;
  }
  return result;
}

void append_utf8(std::uint32_t code, std::string& out) {
  const auto tail = [&](int shift) { out += static_cast<char>(0x80U | (code >> shift & 0x3FU)); };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0U | code >> 6);
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0U | code >> 12);
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0U | code >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace resnet::pickle
