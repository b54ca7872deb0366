// Where the bytes of a tensor stand in memory, for the readers of file formats: a file's need not be loaded for that.
#pragma once

#include "base/checked_file.h"
#include "resnet/tensor.h"

namespace resnet {

struct TensorPlace {
  // As Tensor::view() was given them.
  static std::span<const std::byte> of(const Tensor& tensor) noexcept { return tensor.bytes_; }

  // The file that they are a part of; null where they are in memory.
  static const CheckedFile* file_of(const Tensor& tensor) noexcept { return CheckedFile::shared_by(tensor.owner_); }
};

}  // namespace resnet
