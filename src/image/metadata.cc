// Finds EXIF and XMP data and the size in JPEG and PNG files by walking their segments, without taking memory for them.
#include <string>
#include <string_view>

#include "image/decoders.h"
#include "image/orientation.h"
#include "image/picture_size.h"

namespace resnet {
namespace {

using Bytes = std::span<const std::byte>;

std::size_t big_endian(Bytes bytes, std::size_t offset, std::size_t size) {
  std::size_t value = 0;
  for (std::size_t i = 0; i < size; ++i) value = value << 8 | std::to_integer<std::size_t>(bytes[offset + i]);
  return value;
}

// Removes the prefix where it is there.
bool take_prefix(Bytes& bytes, std::string_view prefix) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (!text.starts_with(prefix)) return false;
  bytes = bytes.subspan(prefix.size());
  return true;
}

// Segments up to the first scan: FF, a marker, a length that counts itself.
template <typename See>
void for_each_segment(Bytes bytes, See see) {
  constexpr std::size_t kStartOfScan = 0xDA;
  std::size_t at = 2;
  while (at + 4 <= bytes.size()) {
    const std::size_t marker = big_endian(bytes, at + 1, 1);
    if (big_endian(bytes, at, 1) != 0xFF || marker == 0xFF) {
      ++at;  // filling
      continue;
    }
    if (marker == kStartOfScan) break;
    const bool alone = marker <= 1 || (marker >= 0xD0 && marker <= 0xD8);  // without a length
    if (alone) {
      at += 2;
      continue;
    }
    const std::size_t length = big_endian(bytes, at + 2, 2);
    if (length < 2 || length > bytes.size() - at - 2) break;
    see(marker, bytes.subspan(at + 4, length - 2));
    at += 2 + length;
  }
}

}  // namespace

int jpeg_orientation(Bytes bytes) {
  constexpr std::size_t kApp1 = 0xE1;
  Bytes exif;
  Bytes xmp;
  for_each_segment(bytes, [&](std::size_t marker, Bytes segment) {
    if (marker == kApp1 && exif.empty() && take_prefix(segment, std::string_view("Exif\0\0", 6))) exif = segment;
    if (marker == kApp1 && take_prefix(segment, std::string_view("http://ns.adobe.com/xap/1.0/\0", 29))) xmp = segment;
  });
  return orientation(exif, xmp);
}

// A frame's header, SOF0 to SOF15 but for three markers of other meaning: sample bits, height, width.
std::optional<PictureSize> jpeg_size(Bytes bytes) {
  std::optional<PictureSize> size;
  for_each_segment(bytes, [&](std::size_t marker, Bytes segment) {
    const bool frame = marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
    if (!frame || segment.size() < 5 || size) return;
    size = PictureSize{static_cast<std::int64_t>(big_endian(segment, 3, 2)),
                       static_cast<std::int64_t>(big_endian(segment, 1, 2))};
  });
  return size;
}

// The first chunk, IHDR: its length and name, width, height.
std::optional<PictureSize> png_size(Bytes bytes) {
  if (bytes.size() < 24) return std::nullopt;
  Bytes name = bytes.subspan(12, 4);
  if (!take_prefix(name, "IHDR")) return std::nullopt;
  return PictureSize{static_cast<std::int64_t>(big_endian(bytes, 16, 4)),
                     static_cast<std::int64_t>(big_endian(bytes, 20, 4))};
}

// Chunks: a length, a name, that many bytes, a checksum, which the last may lack.
int png_orientation(Bytes bytes) {
  Bytes exif;
  Bytes xmp;
  std::size_t at = 8;
  while (at + 8 <= bytes.size()) {
    const std::size_t length = big_endian(bytes, at, 4);
    if (length > bytes.size() - at - 8) break;
    Bytes chunk = bytes.subspan(at + 4, length + 4);
    if (take_prefix(chunk, "eXIf")) exif = chunk;
    // Keyword, not compressed, then a language and a translated keyword, which nobody fills.
    if (take_prefix(chunk, std::string_view("iTXtXML:com.adobe.xmp\0\0\0", 24))) xmp = chunk;
    at += 12 + length;
  }
  return orientation(exif, xmp);
}

}  // namespace resnet
