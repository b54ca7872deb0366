#include "base/json_text.h"

#include <fmt/format.h>

#include "base/text.h"

namespace resnet {
namespace {

void append_ascii(char c, std::string& out) {
  switch (c) {
    case '"': out += "\\\""; return;
    case '\\': out += "\\\\"; return;
    case '\b': out += "\\b"; return;
    case '\f': out += "\\f"; return;
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default: break;
  }
  const auto code = static_cast<unsigned char>(c);
  if (code < 0x20 || code == 0x7F) {
    out += fmt::format("\\u{:04x}", code);
  } else {
    out += c;
  }
}

// Of well-formed text.
void append_text(std::string_view text, std::string& out) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto code = static_cast<unsigned char>(text[i]);
    if (code < 0x80) {
      append_ascii(text[i], out);
    } else if (code >= 0xC2 && is_control(text.substr(i))) {  // of two bytes or three
      const auto low = static_cast<unsigned char>(text[i + (code == 0xC2 ? 1 : 2)]);
      out += code == 0xC2 ? fmt::format("\\u00{:02x}", low) : fmt::format("\\u20{:02x}", low & 0x3F);
      i += code == 0xC2 ? 1 : 2;
    } else {
      out += text[i];
    }
  }
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// The code unit of "\uXXXX" at `at`; -1 where there is none.
int code_unit(std::string_view json, std::size_t at) {
  if (json.size() - at < 6 || json[at] != '\\' || json[at + 1] != 'u') return -1;
  int unit = 0;
  for (std::size_t i = at + 2; i < at + 6; ++i) {
    const int digit = hex_digit(json[i]);
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}

}  // namespace

std::string json_string(std::string_view text) {
  std::string result = "\"";
  while (!text.empty()) {
    const std::size_t good = valid_utf8_prefix(text);
    append_text(text.substr(0, good), result);
    text.remove_prefix(good);
    if (text.empty()) break;
    result += fmt::format("\\udc{:02x}", static_cast<unsigned char>(text[0]));
    text.remove_prefix(1);
  }
  return result + '"';
}

// A zero stands for what comes: "\udcNN" becomes "\u0000NN", and a zero itself "\u000000".
std::string hide_byte_escapes(std::string_view json) {
  std::string result;
  result.reserve(json.size());
  for (std::size_t i = 0; i < json.size();) {
    std::size_t length = json[i] == '\\' ? 2 : 1;  // an escaped backslash begins nothing
    const int unit = code_unit(json, i);
    if (unit >= 0xDC80 && unit <= 0xDCFF) {
      result += fmt::format("\\u0000{:02x}", unit & 0xFF);
      i += 6;
      continue;
    }
    if (unit == 0) {
      result += "\\u000000";
      i += 6;
      continue;
    }
    if (unit >= 0xD800 && unit <= 0xDBFF) length = 12;  // with its other half, whatever that is
    if (unit >= 0 && length == 2) length = 6;
    result += json.substr(i, length);
    i += length;
  }
  return result;
}

std::string restore_bytes(std::string text) {
  std::size_t out = 0;
  for (std::size_t i = 0; i < text.size(); ++i, ++out) {
    const bool hidden =
        text[i] == '\0' && text.size() - i > 2 && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0;
    text[out] = hidden ? static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2])) : text[i];
    if (hidden) i += 2;
  }
  text.resize(out);
  return text;
}

}  // namespace resnet
