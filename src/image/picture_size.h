// How large a picture is, read off its header: for who wants to know it of many without decoding them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace resnet {

struct PictureSize {
  std::int64_t width = 0;
  std::int64_t height = 0;
  bool operator==(const PictureSize&) const = default;
};

// Of the picture that decode_image() or, of a uint8 array (.npy), load_input() would make of the file, turned as its
// orientation says. Nothing of an array of another type. What stands behind the header may be damaged. Throws kFormat
// where there is no header or it is broken; `where` names the file. May be called from any thread.
std::optional<PictureSize> picture_size(std::span<const std::byte> bytes, std::string_view where);

// Of one format; nothing where the header is broken. Not turned.
std::optional<PictureSize> jpeg_size(std::span<const std::byte> bytes);
std::optional<PictureSize> png_size(std::span<const std::byte> bytes);
std::optional<PictureSize> webp_size(std::span<const std::byte> bytes);

}  // namespace resnet
