#include "dataset/transform.h"

#include <algorithm>
#include <utility>

#include "augment/color.h"
#include "augment/crop.h"
#include "augment/policy.h"
#include "base/error.h"
#include "image/decoders.h"
#include "image/fit.h"

namespace resnet {
namespace {

// torchvision's Resize(int): the shorter side gets `size`, the longer one int(size * longer / shorter).
Image resize_shorter(const Image& image, int size, Interpolation interpolation) {
  const int shorter = std::min(image.width, image.height);
  if (shorter == size) return image;
  const auto scaled = [&](int side) {
    return side == shorter ? size : static_cast<int>(static_cast<double>(std::int64_t{size} * side) / shorter);
  };
  return resize(image, scaled(image.width), scaled(image.height), interpolation);
}

}  // namespace

Transform::Transform(const Preprocessing& how, const std::optional<Augmentation>& augmentation, bool channels_last,
                     std::int64_t max_pixels)
    : how_((validate(how), how)), augmentation_(augmentation), tables_(how) {
  if (augmentation) validate(*augmentation);
  layout_ = {static_cast<int>(how.mean.size()), how.height, how.width, channels_last};
  decode_.mode = how.mean.size() == 1 ? ColorMode::kGray : ColorMode::kRgb;
  decode_.max_pixels = max_pixels;
}

DecodeOptions Transform::decode_options(PictureNotes* notes) const {
  DecodeOptions options = decode_;
  options.notes = notes;
  return options;
}

std::optional<Image> Transform::decode(std::span<const std::byte> file, std::string_view where,
                                       PictureNotes* notes) const {
  if (looks_like_npy(file)) {
    const NpyArray array = parse_npy(file, where);
    if (array.type == NpyType::kF32) return std::nullopt;
    return array_image(array, where, decode_.max_pixels);
  }
  return decode_image(file, where, decode_options(notes));
}

void Transform::from_file(std::span<const std::byte> file, std::string_view where, Random& random, std::span<float> out,
                          PictureNotes* notes) const {
  if (augmentation_) return change(crop_file(file, where, random, notes), where, random, out);
  const DecodeOptions options = decode_options(notes);
  if (!layout_.channels_last) return load_input(file, where, how_, out, options);
  std::vector<float> planes(out.size());
  load_input(file, where, how_, planes, options);
  interleave(planes, out);
}

void Transform::from_image(const Image& image, std::string_view where, Random& random, std::span<float> out) const {
  if (augmentation_) return change(crop(image, where, random), where, random, out);
  if (!layout_.channels_last) return preprocess(image, how_, out, where);
  std::vector<float> planes(out.size());
  preprocess(image, how_, planes, where);
  interleave(planes, out);
}

// Of a JPEG only what a random crop needs is decoded.
Image Transform::crop_file(std::span<const std::byte> file, std::string_view where, Random& random,
                           PictureNotes* notes) const {
  if (!augmentation_->resized_crop || looks_like_npy(file)) {
    const std::optional<Image> image = decode(file, where, notes);
    if (!image) fail(ErrorCode::kUnsupported, std::string(where), "an array of floats cannot be augmented");
    return crop(*image, where, random);
  }
  std::optional<Window> window;
  const auto choose = [&](int width, int height) {
    window = choose_resized_crop(*augmentation_->resized_crop, width, height, random);
    return *window;
  };
  const Part part = decode_part(file, where, decode_options(notes), choose);
  if (!window) choose(part.full_width, part.full_height);
  return resized_crop(view_of(part.pixels, part.left, part.top), *window, how_.width, how_.height, how_.interpolation);
}

Image Transform::crop(const Image& image, std::string_view where, Random& random) const {
  if (augmentation_->resized_crop) {
    const Window window = choose_resized_crop(*augmentation_->resized_crop, image.width, image.height, random);
    return resized_crop(view_of(image), window, how_.width, how_.height, how_.interpolation);
  }
  if (!augmentation_->padded_crop) return fit(image, how_, where);
  const auto padded = [&](const Image& sized) {
    return padded_crop(sized, choose_padded_crop(*augmentation_->padded_crop, sized.width, sized.height, how_.width,
                                                 how_.height, random));
  };
  if (how_.resize != 0) return padded(resize_shorter(image, how_.resize, how_.interpolation));
  if (image.width == how_.width && image.height == how_.height) return padded(image);
  fail(ErrorCode::kMismatch, std::string(where),
       "{}x{} pixels, but {}x{} are expected and nothing is resized; --resize {} would", image.width, image.height,
       how_.width, how_.height, std::min(how_.width, how_.height));
}

void Transform::change(Image image, std::string_view where, Random& random, std::span<float> out) const {
  const Augmentation& a = *augmentation_;
  if (image.channels != layout_.channels) {
    fail(ErrorCode::kMismatch, std::string(where), "{} channels, but {} are expected", image.channels,
         layout_.channels);
  }
  if (random.uniform() < a.flip) flip_horizontally(image);
  if (a.trivial_augment) trivial_augment(image, random);
  if (a.rand_augment) rand_augment(image, *a.rand_augment, random);
  jitter_colors(image, a.jitter, random);
  if (layout_.channels_last) {
    normalise_interleaved(image, tables_, out.data());
  } else {
    const auto row = static_cast<std::size_t>(layout_.width);
    normalise_planes(image, tables_, out.data(), row, row * static_cast<std::size_t>(layout_.height));
  }
  erase(out, layout_, choose_erasing(a.erasing, layout_.width, layout_.height, random));
}

void Transform::interleave(std::span<const float> planes, std::span<float> out) const {
  const auto channels = static_cast<std::size_t>(layout_.channels);
  const std::size_t plane = planes.size() / channels;
  for (std::size_t i = 0; i < plane; ++i) {
    for (std::size_t c = 0; c < channels; ++c) out[i * channels + c] = planes[c * plane + i];
  }
}

}  // namespace resnet
