// CRC-32C (Castagnoli; RFC 3720, section 12.1), which checkpoints and TensorBoard's event files carry.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace resnet {

// Of what went before and `bytes`; start with 0.
std::uint32_t crc32c(std::uint32_t before, std::span<const std::byte> bytes) noexcept;

}  // namespace resnet
