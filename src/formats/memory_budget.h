// How much memory the contents of a model file may take while it is read: as much as the file is large, and 12 MiB.
// Every reader of model files charges what it is about to allocate, so that a small file cannot ask for a lot.
#pragma once

#include <cstddef>
#include <string>

#include "base/error.h"

namespace resnet {

class MemoryBudget {
 public:
  MemoryBudget(std::size_t file_size, std::string path) : left_(file_size + kAllowance), path_(std::move(path)) {}

  // Throws kLimit where `bytes` are more than what is left. `what` says what for: "tensors", "strided tensors".
  void charge(std::size_t bytes, const char* what) {
    if (bytes > left_) {
      fail(ErrorCode::kLimit, path_, "{} need more memory than the file's size and {} MiB", what, kAllowance >> 20);
    }
    left_ -= bytes;
  }

  std::size_t left() const noexcept { return left_; }

 private:
  static constexpr std::size_t kAllowance = std::size_t{12} << 20;
  std::size_t left_;
  std::string path_;
};

}  // namespace resnet
