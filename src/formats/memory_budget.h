// How much memory the contents of a model file may take while it is read: as much as the file is large, and 12 MiB.
// Every reader of model files charges what it is about to allocate, so that a small file cannot ask for a lot. May be
// charged from several threads.
#pragma once

#include <atomic>
#include <cstddef>
#include <string>

#include "base/error.h"

namespace resnet {

class MemoryBudget {
 public:
  MemoryBudget(std::size_t file_size, std::string path) : left_(file_size + kAllowance), path_(std::move(path)) {}

  // Throws kLimit where `bytes` are more than what is left. `what` says what for: "tensors", "strided tensors".
  void charge(std::size_t bytes, const char* what) {
    std::size_t left = left_.load(std::memory_order_relaxed);
    do {
      check(bytes, left, what);
    } while (!left_.compare_exchange_weak(left, left - bytes, std::memory_order_relaxed));
  }

  // Throws as charge() would, but charges nothing.
  void require(std::size_t bytes, const char* what) const { check(bytes, left(), what); }

  std::size_t left() const noexcept { return left_.load(std::memory_order_relaxed); }

 private:
  void check(std::size_t bytes, std::size_t left, const char* what) const {
    if (bytes <= left) return;
    fail(ErrorCode::kLimit, path_, "{} need more memory than the file's size and {} MiB", what, kAllowance >> 20);
  }

  static constexpr std::size_t kAllowance = std::size_t{12} << 20;
  std::atomic<std::size_t> left_;
  std::string path_;
};

}  // namespace resnet
