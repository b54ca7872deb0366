// Pictures: read from files, resized, written to files.
//
// Pixels equal those of Pillow's Image.open(...).convert("RGB"), and resizing equals Pillow's resize() to the byte. All
// functions may be called from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace resnet {

// 8-bit pixels, row by row from the top left, channels interleaved (HWC).
struct Image {
  int width = 0;
  int height = 0;
  int channels = 3;  // 3: RGB, 1: gray; others come from arrays only
  std::vector<std::uint8_t> pixels;
};

// The same where somebody else owns the pixels: an Image, an array, a frame of a film.
struct ImageView {
  ImageView(const Image& image)
      : width(image.width), height(image.height), channels(image.channels), pixels(image.pixels) {}
  ImageView(int width, int height, int channels, std::span<const std::uint8_t> pixels)
      : width(width), height(height), channels(channels), pixels(pixels) {}

  int width;
  int height;
  int channels;
  std::span<const std::uint8_t> pixels;
};

enum class ColorMode { kRgb, kGray };

// Pillow's own limit.
inline constexpr std::int64_t kMaxPixels = 178'956'970;

// What was done to a picture that torchvision, on Pillow, does not do (docs/data.md).
struct PictureNotes {
  bool turned = false;     // as its EXIF or XMP data says
  bool high_byte = false;  // samples of 16-bit gray gave their high byte, where Pillow clips them to white
};

struct DecodeOptions {
  ColorMode mode = ColorMode::kRgb;
  bool apply_orientation = true;         // turn the picture as its EXIF tag says
  std::int64_t max_pixels = kMaxPixels;  // declared sizes beyond are refused before memory is taken
  PictureNotes* notes = nullptr;         // written where it is not null
};

// JPEG, PNG or WebP, told by the first bytes. `where` names the source in errors (kFormat, kLimit, kUnsupported). A
// file that was cut short is an error even where only its end marker is missing; of a PNG, as in Pillow, only where
// pixels are missing or a chunk behind them is cut. Of an animation, the first frame. 16-bit samples give their high
// byte. Pictures of more than 100,000,000 pixels are decoded one at a time in a process, for the memory they take.
Image decode_image(std::span<const std::byte> bytes, std::string_view where, const DecodeOptions& options = {});
inline Image decode_image(std::span<const std::uint8_t> bytes, std::string_view where,
                          const DecodeOptions& options = {}) {
  return decode_image(std::as_bytes(bytes), where, options);
}
Image read_image(const std::string& path, const DecodeOptions& options = {});

// Files of 8-bit gray (one channel) or RGB pictures: PNG gives the pixels back, JPEG (quality 1 to 100, chroma at half
// resolution below 90) nearly. The same picture gives the same bytes. Throws kInvalidArgument for other channels, sizes
// that do not fit the pixels or the format (JPEG: 65,500 a side), and other qualities.
std::vector<std::byte> encode_png(const Image& image);
std::vector<std::byte> encode_jpeg(const Image& image, int quality = 90);

// Writes what the name's ending says (.png, .jpg, .jpeg), whole or not at all. Throws kInvalidArgument for other
// endings, kIo.
void write_image(const std::string& path, const Image& image);

enum class Interpolation { kBilinear, kBicubic };
std::string_view name(Interpolation value) noexcept;       // "bilinear", "bicubic"
Interpolation parse_interpolation(std::string_view text);  // throws kInvalidArgument

// Pillow's resize with antialiasing. Throws kInvalidArgument for sizes below 1 or above 65,535.
Image resize(const Image& image, int width, int height, Interpolation interpolation);

}  // namespace resnet
