// Hashes that nobody can foresee: of text, for tables whose keys come out of files (whoever writes a file cannot choose
// names that all fall into one place, which would make the table as slow as a list), and of pages of files.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace resnet {

// SipHash-2-4 (Aumasson and Bernstein 2012, "SipHash: a fast short-input PRF", section 2).
std::uint64_t sip_hash(std::string_view text, const std::array<std::uint64_t, 2>& key) noexcept;

// The same under a key that is drawn at random once per process. For the containers of the standard library, too.
struct KeyedHash {
  std::size_t operator()(std::string_view text) const noexcept;
};

// A checksum of at most kPageBytes, fast enough to go along with reading. Two different pages of one length share
// theirs with a probability of 2^-32: NH (Black et al. 1999, "UMAC: fast and secure message authentication",
// section 4.2) under a key that is drawn at random once per process. Never 0.
inline constexpr std::size_t kPageBytes = 4096;
std::uint64_t page_sum(std::span<const std::byte> page) noexcept;

}  // namespace resnet
