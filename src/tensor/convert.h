// Numbers of one type as another: IEEE half to float, and any type of tensor to float32.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "resnet/tensor.h"

namespace resnet {

float half_to_float(std::uint16_t bits) noexcept;

// `bytes` holds out.size() values of `type`, little endian, of any alignment. 64-bit types round to nearest.
void convert_to_f32(DType type, std::span<const std::byte> bytes, std::span<float> out);

}  // namespace resnet
