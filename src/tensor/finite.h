// Values that no computation in float32 makes sense of.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "resnet/tensor.h"

namespace resnet {

// How many of the values, little endian and of any alignment, are NaN, infinite or, as float64, beyond float32's range.
// None of whole numbers are. `bytes` holds whole values. A pass at the speed of memory.
std::int64_t count_nonfinite(DType type, std::span<const std::byte> bytes) noexcept;

}  // namespace resnet
