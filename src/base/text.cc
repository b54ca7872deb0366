#include "base/text.h"

#include <fmt/format.h>

#include <cstdint>
#include <cstring>

namespace resnet {
namespace {

unsigned byte_at(std::string_view text, std::size_t i) noexcept { return static_cast<unsigned char>(text[i]); }

// Length of the well-formed sequence at `i`, 0 where there is none.
std::size_t sequence_length(std::string_view text, std::size_t i) noexcept {
  const unsigned lead = byte_at(text, i);
  if (lead < 0x80) return 1;
  const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || length > text.size() - i) return 0;
  unsigned low = 0x80;
  unsigned high = 0xBF;
  if (lead == 0xE0) low = 0xA0;   // shorter forms exist
  if (lead == 0xED) high = 0x9F;  // surrogates
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;  // beyond U+10FFFF
  for (std::size_t k = 1; k < length; ++k) {
    const unsigned next = byte_at(text, i + k);
    if (next < low || next > high) return 0;
    low = 0x80;
    high = 0xBF;
  }
  return length;
}

}  // namespace

bool is_control(std::string_view text) noexcept {
  const unsigned lead = byte_at(text, 0);
  return lead < 0x20 || lead == 0x7F || (lead == 0xC2 && byte_at(text, 1) < 0xA0) ||  // C0, delete, C1
         text.starts_with("\xE2\x80\xA8") || text.starts_with("\xE2\x80\xA9");        // line and paragraph separator
}

std::size_t valid_utf8_prefix(std::string_view text) noexcept {
  std::size_t i = 0;
  while (i < text.size()) {
    std::uint64_t word = 0;
    if (text.size() - i >= sizeof(word)) {
      std::memcpy(&word, text.data() + i, sizeof(word));
      if ((word & 0x8080808080808080U) == 0) {  // eight ASCII characters
        i += sizeof(word);
        continue;
      }
    }
    const std::size_t length = sequence_length(text, i);
    if (length == 0) return i;
    i += length;
  }
  return i;
}

std::string one_line(std::string_view text, std::size_t max_bytes) {
  std::string result;
  for (std::size_t i = 0; i < text.size();) {
    if (result.size() >= max_bytes) return result + "...";
    const std::size_t length = sequence_length(text, i);
    const std::string_view sequence = text.substr(i, length == 0 ? 1 : length);
    if (length == 0 || is_control(sequence)) {
      for (const char byte : sequence) result += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    } else {
      result += sequence;
    }
    i += sequence.size();
  }
  return result;
}

std::string printable(std::string_view text) { return one_line(text, SIZE_MAX); }

}  // namespace resnet
