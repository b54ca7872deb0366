// A hash of text that nobody can foresee, for tables whose keys come out of files: whoever writes a file cannot choose
// names that all fall into one place, which would make the table as slow as a list.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace resnet {

// SipHash-2-4 (Aumasson and Bernstein 2012, "SipHash: a fast short-input PRF", section 2).
std::uint64_t sip_hash(std::string_view text, const std::array<std::uint64_t, 2>& key) noexcept;

// The same under a key that is drawn at random once per process. For the containers of the standard library, too.
struct KeyedHash {
  std::size_t operator()(std::string_view text) const noexcept;
};

}  // namespace resnet
