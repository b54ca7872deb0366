// Numbers of the zip format (PKWARE APPNOTE 6.3.9) that its reader and its writer share.
#pragma once

#include <cstdint>

namespace resnet::zip {

inline constexpr std::uint32_t kLocalHeader = 0x04034b50;
inline constexpr std::uint32_t kDataDescriptor = 0x08074b50;
inline constexpr std::uint32_t kDirectoryHeader = 0x02014b50;
inline constexpr std::uint32_t kEnd = 0x06054b50;
inline constexpr std::uint32_t kEnd64 = 0x06064b50;
inline constexpr std::uint32_t kEnd64Locator = 0x07064b50;

inline constexpr std::uint16_t kStored = 0;
inline constexpr std::uint16_t kDeflated = 8;

inline constexpr std::uint16_t kFlagDescriptor = 1U << 3;  // sizes and checksum follow the data
inline constexpr std::uint16_t kFlagUtf8 = 1U << 11;

inline constexpr std::uint16_t kExtra64 = 0x0001;  // extra field: 64-bit sizes
inline constexpr std::uint16_t kIn64 = 0xFFFF;     // a 16-bit number that stands in the zip64 record instead
inline constexpr std::uint32_t kInExtra64 = 0xFFFFFFFF;

}  // namespace resnet::zip
