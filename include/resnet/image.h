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
  int channels = 3;  // 3: RGB, 1: gray
  std::vector<std::uint8_t> pixels;
};

enum class ColorMode { kRgb, kGray };

struct DecodeOptions {
  ColorMode mode = ColorMode::kRgb;
  bool apply_orientation = true;          // turn the picture as its EXIF tag says
  std::int64_t max_pixels = 100'000'000;  // declared sizes beyond are refused before memory is taken
};

// JPEG, PNG or WebP, told by the first bytes. `where` names the source in errors (kFormat, kLimit, kUnsupported).
Image decode_image(std::span<const std::byte> bytes, std::string_view where, const DecodeOptions& options = {});
Image read_image(const std::string& path, const DecodeOptions& options = {});

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

// Resize the shorter side, crop the centre, scale to 0..1, subtract mean, divide by std. Writes channels x height x
// width floats (CHW). Throws kMismatch where `out`, the channels or an unresized picture do not fit `how`.
void preprocess(const Image& image, const Preprocessing& how, std::span<float> out);

}  // namespace resnet
