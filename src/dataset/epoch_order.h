// Which pictures a batch holds: the order of an epoch, and its division among batches and processes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace resnet {

// Numbers 0 to count - 1 in the order of an epoch: a permutation drawn from the seed and the epoch (Fisher and Yates).
std::vector<std::uint32_t> shuffled(std::size_t count, std::uint64_t seed, std::uint64_t epoch);

// How `count` pictures are dealt to batches of `batch` for each of `world_size` processes (loader.h).
class Division {
 public:
  Division(std::size_t count, std::size_t batch, int rank, int world_size, bool drop_last);

  std::size_t batches() const noexcept { return full_ + (rest_size_ > 0 ? 1 : 0); }

  struct Range {
    std::size_t begin;  // in the epoch's order
    std::size_t size;
  };
  Range operator[](std::size_t number) const noexcept;

 private:
  std::size_t batch_;
  std::size_t rank_;
  std::size_t world_size_;
  std::size_t full_;            // batches that all processes fill
  std::size_t rest_begin_ = 0;  // of this process's share of what is left
  std::size_t rest_size_ = 0;
};

}  // namespace resnet
