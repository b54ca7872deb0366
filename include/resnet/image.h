// Pictures, and how they become the tensor that a network takes.
//
// Pixels equal those of Pillow's Image.open(...).convert("RGB"), resizing equals Pillow's resize() to the byte, and the
// arithmetic of cropping and normalising is torchvision's. All functions may be called from any thread.
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

struct DecodeOptions {
  ColorMode mode = ColorMode::kRgb;
  bool apply_orientation = true;          // turn the picture as its EXIF tag says
  std::int64_t max_pixels = 100'000'000;  // declared sizes beyond are refused before memory is taken
};

// JPEG, PNG or WebP, told by the first bytes. `where` names the source in errors (kFormat, kLimit, kUnsupported). A
// file that was cut short is an error even where only its end marker is missing. Of an animation, the first frame.
// 16-bit samples give their high byte (Pillow clips 16-bit gray to white instead).
Image decode_image(std::span<const std::byte> bytes, std::string_view where, const DecodeOptions& options = {});
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

// How a set of weights wants its pictures. Belongs to weights, not to an architecture.
struct Preprocessing {
  int height = 224;  // of the tensor
  int width = 224;
  int resize = 256;  // the shorter side before the centre crop; 0: pictures must already have the tensor's size
  Interpolation interpolation = Interpolation::kBilinear;
  std::vector<float> mean = {0.485F, 0.456F, 0.406F};  // per channel, of values in 0..1
  std::vector<float> std = {0.229F, 0.224F, 0.225F};

  bool operator==(const Preprocessing&) const = default;
};

// "torchvision" (256/224 bilinear), "torchvision-v2" (232/224 bilinear), "timm" (224 at crop fraction 0.95, bicubic),
// "cifar" (32, no resizing). Throws kInvalidArgument naming the choices.
Preprocessing preset(std::string_view name);

// Throws kInvalidArgument, naming the field, where the value describes no tensor: a size below 1 or above 16,384, a
// mean without a std, a std that is not above zero, ...
void validate(const Preprocessing& how);

// Resize the shorter side, crop the centre, scale to 0..1, subtract mean, divide by std. Writes channels x height x
// width floats (CHW). Where the crop is larger than the picture, black surrounds it. Throws kMismatch where `out`, the
// channels or an unresized picture do not fit `how`, or the number of pixels is not what the sizes say; `where` names
// the picture in errors.
void preprocess(const ImageView& image, const Preprocessing& how, std::span<float> out,
                std::string_view where = "picture");

// The part of a picture that preprocess() keeps, in shares of its width and height. Reaches beyond the picture where
// black surrounds it. Throws kMismatch for an unresized picture of another size.
struct SeenPart {
  double left = 0, top = 0, width = 1, height = 1;
};
SeenPart seen_part(int width, int height, const Preprocessing& how, std::string_view where = "picture");

// From a file's bytes to the tensor. A picture gives what preprocess(decode_image(...)) gives, faster: parts that the
// crop throws away are neither decoded nor resized. It is read as gray where `how` has one channel, as RGB where it has
// three (`options.mode` does not count). A .npy array gives its values as they are where it is float32 of shape CxHxW
// or 1xCxHxW, and is taken for a picture of any number of channels where it is uint8 of shape HxWxC or HxW.
void load_input(std::span<const std::byte> bytes, std::string_view where, const Preprocessing& how,
                std::span<float> out, const DecodeOptions& options = {});

}  // namespace resnet
