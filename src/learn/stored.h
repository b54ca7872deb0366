// State that checkpoints hold beside weights: values by name, in and out.
#pragma once

#include <algorithm>
#include <cmath>
#include <span>
#include <string>

#include "base/error.h"
#include "resnet/tensor.h"

namespace resnet {

// Copies the tensor's values. Throws kMismatch where there is none of that name and shape.
inline void restore_values(const StateDict& tensors, const std::string& name, const Shape& shape, std::span<float> to,
                           const std::string& where) {
  const Tensor* stored = tensors.find(name);
  if (stored == nullptr) fail(ErrorCode::kMismatch, where, "lacks '{}'", name);
  if (stored->shape() != shape) {
    fail(ErrorCode::kMismatch, where + ": " + name, "is {}, not {}", to_string(stored->shape()), to_string(shape));
  }
  const Tensor values = stored->to_f32();
  std::copy(values.f32().begin(), values.f32().end(), to.begin());
}

inline bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

}  // namespace resnet
