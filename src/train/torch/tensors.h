// Between the library's tensors and torch's.
#pragma once

#include <torch/torch.h>

#include "resnet/tensor.h"

namespace resnet {

// A copy on the CPU, dense and in C order. Throws kUnsupported for types that files do not have.
Tensor from_torch(const torch::Tensor& tensor);

// Copies the values into `target`, converting them to its type. The shapes must be the same (kMismatch); `name` is
// told.
void copy_to_torch(const Tensor& tensor, torch::Tensor& target, const std::string& name);

}  // namespace resnet
