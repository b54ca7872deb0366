// Finds EXIF and XMP data in JPEG and PNG files by walking their segments, without taking memory for them.
#include <string>
#include <string_view>

#include "image/decoders.h"
#include "image/orientation.h"

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

}  // namespace

// Segments up to the first scan: FF, a marker, a length that counts itself.
int jpeg_orientation(Bytes bytes) {
  constexpr std::size_t kApp1 = 0xE1;
  constexpr std::size_t kStartOfScan = 0xDA;
  Bytes exif;
  Bytes xmp;
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
    Bytes segment = bytes.subspan(at + 4, length - 2);
    if (marker == kApp1 && exif.empty() && take_prefix(segment, std::string_view("Exif\0\0", 6))) exif = segment;
    if (marker == kApp1 && take_prefix(segment, std::string_view("http://ns.adobe.com/xap/1.0/\0", 29))) xmp = segment;
    at += 2 + length;
  }
  return orientation(exif, xmp);
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
