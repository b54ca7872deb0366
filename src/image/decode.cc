// Tells the formats apart and gives what all of them share: size limits, orientation, gray.
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "formats/npy.h"
#include "image/decoders.h"
#include "image/orientation.h"
#include "image/picture_size.h"

namespace resnet {
namespace {

enum class Format { kJpeg, kPng, kWebp };

Format format_of(std::span<const std::byte> bytes, std::string_view where) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.empty()) fail(ErrorCode::kFormat, std::string(where), "the file is empty");
  if (text.starts_with("\xFF\xD8\xFF")) return Format::kJpeg;
  if (text.starts_with("\x89PNG\r\n\x1A\n")) return Format::kPng;
  if (text.starts_with("RIFF") && text.substr(0, 12).ends_with("WEBP")) return Format::kWebp;
  fail(ErrorCode::kFormat, std::string(where), "offset 0: neither a JPEG nor a PNG nor a WebP file");
}

int orientation_of(Format format, std::span<const std::byte> bytes) {
  switch (format) {
    case Format::kJpeg: return jpeg_orientation(bytes);
    case Format::kPng: return png_orientation(bytes);
    case Format::kWebp: return webp_orientation(bytes);
  }
  return 1;
}

std::optional<PictureSize> size_of(Format format, std::span<const std::byte> bytes) {
  switch (format) {
    case Format::kJpeg: return jpeg_size(bytes);
    case Format::kPng: return png_size(bytes);
    case Format::kWebp: return webp_size(bytes);
  }
  return std::nullopt;
}

std::optional<PictureSize> size_of_array(std::span<const std::byte> bytes, std::string_view where) {
  const NpyArray array = parse_npy(bytes, where);
  if (array.type != NpyType::kU8 || array.shape.size() < 2) return std::nullopt;
  return PictureSize{array.shape[1], array.shape[0]};
}

// ITU-R 601-2 luma in 16-bit fixed point, Pillow's convert("L").
void to_gray(Image& image) {
  const std::size_t count = image.pixels.size() / 3;
  std::uint8_t* pixels = image.pixels.data();
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint8_t* rgb = pixels + 3 * i;
    pixels[i] = static_cast<std::uint8_t>((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
  }
  image.pixels.resize(count);
  image.channels = 1;
}

}  // namespace

void EncodedImage::check_size(std::int64_t width, std::int64_t height) const {
  if (width < 1 || height < 1) fail(ErrorCode::kFormat, std::string(where), "a picture of {}x{} pixels", width, height);
  if (width > max_pixels / height) {
    fail(ErrorCode::kLimit, std::string(where), "{}x{} pixels, more than the {} that max-pixels allows", width, height,
         max_pixels);
  }
  constexpr std::int64_t kLarge = 100'000'000;
  static std::mutex large;
  if (width > kLarge / height) turn = std::unique_lock(large);
}

std::optional<PictureSize> picture_size(std::span<const std::byte> bytes, std::string_view where) {
  if (looks_like_npy(bytes)) return size_of_array(bytes, where);
  const Format format = format_of(bytes, where);
  std::optional<PictureSize> size = size_of(format, bytes);
  if (!size) fail(ErrorCode::kFormat, std::string(where), "its header is broken or cut short");
  constexpr int kFirstOnItsSide = 5;  // orientations 5 to 8 swap width and height
  if (orientation_of(format, bytes) >= kFirstOnItsSide) std::swap(size->width, size->height);
  return size;
}

Part decode_part(std::span<const std::byte> bytes, std::string_view where, const DecodeOptions& options,
                 const ChooseWindow& choose) {
  const Format format = format_of(bytes, where);
  const int orientation = options.apply_orientation ? orientation_of(format, bytes) : 1;
  const EncodedImage source{bytes, where, options.max_pixels, options.notes};
  if (options.notes != nullptr) *options.notes = {.turned = orientation != 1};
  Part part;
  switch (format) {
    case Format::kJpeg: part = decode_jpeg(source, orientation == 1 ? choose : ChooseWindow()); break;
    case Format::kPng: part.pixels = decode_png(source); break;
    case Format::kWebp: part.pixels = decode_webp(source); break;
  }
  if (format != Format::kJpeg || orientation != 1) {
    part.pixels = turn(std::move(part.pixels), orientation);
    part.full_width = part.pixels.width;
    part.full_height = part.pixels.height;
  }
  if (options.mode == ColorMode::kGray) to_gray(part.pixels);
  part.turn = std::move(source.turn);
  return part;
}

Image decode_image(std::span<const std::byte> bytes, std::string_view where, const DecodeOptions& options) {
  return decode_part(bytes, where, options, {}).pixels;
}

Image read_image(const std::string& path, const DecodeOptions& options) {
  return decode_image(read_file(path), path, options);
}

}  // namespace resnet
