// Where the bytes of a tensor stand in memory, for those who need the place and not the bytes: those of a file, or that
// are made when somebody asks for them, are not loaded.
#pragma once

#include "base/byte_source.h"
#include "resnet/tensor.h"

namespace resnet {

struct TensorPlace {
  // As Tensor::view() was given them.
  static std::span<const std::byte> of(const Tensor& tensor) noexcept { return tensor.bytes_; }

  static bool is_in_file(const Tensor& tensor) noexcept { return ByteSource::of(tensor.owner_) != nullptr; }
};

}  // namespace resnet
