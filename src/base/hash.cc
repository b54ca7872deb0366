#include "base/hash.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <random>
#include <tuple>

namespace resnet {
namespace {

struct State {
  std::uint64_t v0, v1, v2, v3;

  void round() noexcept {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }

  void take(std::uint64_t word) noexcept {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
};

std::array<std::uint64_t, 2> random_key() {
  std::random_device device;
  const auto word = [&] { return std::uint64_t{device()} << 32 | device(); };
  return {word(), word()};
}

using PageWords = std::array<std::uint64_t, kPageBytes / sizeof(std::uint64_t)>;

PageWords random_page_key() {
  std::random_device device;
  std::seed_seq seed{device(), device(), device(), device()};
  std::array<std::uint32_t, 2 * std::tuple_size_v<PageWords>> halves;
  seed.generate(halves.begin(), halves.end());
  return std::bit_cast<PageWords>(halves);
}

}  // namespace

std::uint64_t sip_hash(std::string_view text, const std::array<std::uint64_t, 2>& key) noexcept {
  State state{key[0] ^ 0x736F6D6570736575U, key[1] ^ 0x646F72616E646F6DU, key[0] ^ 0x6C7967656E657261U,
              key[1] ^ 0x7465646279746573U};
  std::uint64_t last = std::uint64_t{text.size()} << 56;
  for (; text.size() >= sizeof(std::uint64_t); text.remove_prefix(sizeof(std::uint64_t))) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data(), sizeof(word));
    state.take(word);
  }
  for (std::size_t i = 0; i < text.size(); ++i) last |= std::uint64_t{static_cast<unsigned char>(text[i])} << (8 * i);
  state.take(last);
  state.v2 ^= 0xFF;
  for (int i = 0; i < 4; ++i) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

std::size_t KeyedHash::operator()(std::string_view text) const noexcept {
  static const std::array<std::uint64_t, 2> kKey = random_key();
  return sip_hash(text, kKey);
}

std::uint64_t page_sum(std::span<const std::byte> page) noexcept {
  static const PageWords kKey = random_page_key();
  std::array<std::byte, kPageBytes> padded;
  if (page.size() < kPageBytes) {
    std::copy(page.begin(), page.end(), padded.begin());
    std::fill(padded.begin() + static_cast<std::ptrdiff_t>(page.size()), padded.end(), std::byte{0});
    page = padded;
  }
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kKey.size(); ++i) {
    std::uint64_t word = 0;
    std::memcpy(&word, page.data() + i * sizeof(word), sizeof(word));
    const auto low = static_cast<std::uint32_t>(word) + static_cast<std::uint32_t>(kKey[i]);
    const auto high = static_cast<std::uint32_t>(word >> 32) + static_cast<std::uint32_t>(kKey[i] >> 32);
    sum += std::uint64_t{low} * high;
  }
  return sum == 0 ? 1 : sum;
}

}  // namespace resnet
