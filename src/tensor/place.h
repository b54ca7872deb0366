// Where the bytes of a tensor stand in memory, for those who need the place and not the bytes: a file's are not loaded.
#pragma once

#include "base/checked_file.h"
#include "resnet/tensor.h"

namespace resnet {

struct TensorPlace {
  // As Tensor::view() was given them.
  static std::span<const std::byte> of(const Tensor& tensor) noexcept { return tensor.bytes_; }

  static bool is_in_file(const Tensor& tensor) noexcept { return CheckedFile::shared_by(tensor.owner_) != nullptr; }
};

}  // namespace resnet
