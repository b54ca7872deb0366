// How pictures become the tensor that a network takes.
//
// Resizing is that of image.h; the arithmetic of cropping and normalising is torchvision's. All functions may be called
// from any thread.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "resnet/image.h"

namespace resnet {

// The order of a picture's three channels: Caffe's and OpenCV's is BGR.
enum class ChannelOrder { kRgb, kBgr };
std::string_view name(ChannelOrder value) noexcept;       // "rgb", "bgr"
ChannelOrder parse_channel_order(std::string_view text);  // throws kInvalidArgument

// How a set of weights wants its pictures. Belongs to weights, not to an architecture.
struct Preprocessing {
  int height = 224;  // of the tensor
  int width = 224;
  int resize = 256;  // the shorter side before the centre crop; 0: pictures must already have the tensor's size
  Interpolation interpolation = Interpolation::kBilinear;
  std::vector<float> mean = {0.485F, 0.456F, 0.406F};  // per channel, of values in 0..1
  std::vector<float> std = {0.229F, 0.224F, 0.225F};
  ChannelOrder channels = ChannelOrder::kRgb;  // of the tensor, and so of mean and std; of arrays, which are taken to
                                               // be RGB, too

  bool operator==(const Preprocessing&) const = default;
};

// How the pictures of well-known sets of weights are prepared.
enum class Preset {
  kTorchvision,    // 256/224 bilinear
  kTorchvisionV2,  // 232/224 bilinear
  kTimm,           // 224 at crop fraction 0.95, bicubic
  kCifar,          // 32, no resizing
};
Preprocessing preset(Preset value);
std::string_view name(Preset value) noexcept;  // "torchvision", "torchvision-v2", "timm", "cifar"

// By name; throws kInvalidArgument naming the choices.
Preprocessing preset(std::string_view name);

// Throws kInvalidArgument, naming the field, where the value describes no tensor: a size below 1 or above 16,384, a
// mean without a std, a std that is not above zero, ...
void validate(const Preprocessing& how);

// Resize the shorter side, crop the centre, put the channels in order, scale to 0..1, subtract mean, divide by std.
// Writes channels x height x width floats (CHW). Where the crop is larger than the picture, black surrounds it. Throws
// kMismatch where `out`, the channels or an unresized picture do not fit `how`, or the number of pixels is not what the
// sizes say; `where` names the picture in errors.
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
