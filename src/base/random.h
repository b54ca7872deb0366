// Random numbers that are the same on every machine for the same seed, which the distributions of the standard library
// are not.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <numbers>

namespace resnet {

// splitmix64's step: a bijection that leaves no pattern (Steele, Lea and Flood 2014, "Fast Splittable Pseudorandom
// Number Generators").
constexpr std::uint64_t scramble(std::uint64_t value) noexcept {
  std::uint64_t z = value + 0x9E3779B97F4A7C15U;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
  return z ^ (z >> 31);
}

// One seed of several numbers, in this order. Numbers that differ little give seeds that have nothing in common.
constexpr std::uint64_t seed_of(std::initializer_list<std::uint64_t> parts) noexcept {
  std::uint64_t seed = 0;
  for (const std::uint64_t part : parts) seed = scramble(seed ^ part);
  return seed;
}

// xoshiro256++ (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators", 2021), its state filled by
// splitmix64 from the seed. Not for secrets. Not to be shared between threads.
class Random {
 public:
  explicit Random(std::uint64_t seed) noexcept {
    for (std::uint64_t& word : state_) {
      word = scramble(seed);
      seed += 0x9E3779B97F4A7C15U;
    }
  }

  std::uint64_t bits() noexcept {
    const std::uint64_t result = std::rotl(state_[0] + state_[3], 23) + state_[0];
    const std::uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
  }

  // In [0, 1), a multiple of 2^-53.
  double uniform() noexcept { return static_cast<double>(bits() >> 11) * 0x1p-53; }

  // In [low, high).
  double uniform(double low, double high) noexcept { return low + (high - low) * uniform(); }

  // In [0, count), all equally often. `count` is positive.
  template <std::integral Count>
  Count below(Count count) noexcept {
    const auto numbers = static_cast<std::uint64_t>(count);
    const std::uint64_t unfair = (0 - numbers) % numbers;  // 2^64 modulo count: so many numbers are one too many
    std::uint64_t value = bits();
    while (value < unfair) value = bits();
    return static_cast<Count>(value % numbers);
  }

  // Mean 0, variance 1 (Box and Muller 1958).
  double normal() noexcept {
    if (spare_) {
      spare_ = false;
      return second_;
    }
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    const double angle = 2 * std::numbers::pi * uniform();
    second_ = radius * std::sin(angle);
    spare_ = true;
    return radius * std::cos(angle);
  }

 private:
  std::uint64_t state_[4];
  double second_ = 0;
  bool spare_ = false;
};

}  // namespace resnet
