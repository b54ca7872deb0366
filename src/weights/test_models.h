// State dicts of the right shapes for any architecture, without their memory: every tensor is a view of the same zeros.
#pragma once

#include <memory>

#include "resnet/graph.h"

namespace resnet {

inline Tensor zeros_view(DType type, Shape shape) {
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  static const auto kZeros = std::make_shared<const Tensor>(Tensor::zeros(DType::kU8, {kBytes}));
  const std::size_t bytes = static_cast<std::size_t>(element_count(shape)) * size_in_bytes(type);
  return Tensor::view(type, std::move(shape), kZeros->bytes().first(bytes), kZeros);
}

inline StateDict zero_weights(const Architecture& architecture) {
  StateDict weights;
  for (const Parameter& parameter : parameters(expand(architecture))) {
    weights.add(parameter.name, zeros_view(parameter.dtype, parameter.shape));
  }
  return weights;
}

}  // namespace resnet
