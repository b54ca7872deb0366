#include "evaluate/sight.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "formats/npy.h"

namespace resnet {

Sight read_sight(const Item& item, const Classifier& classifier, const DecodeOptions& decode) {
  const ItemBytes file(item);
  const std::span<const std::byte> bytes = file.get();
  const Preprocessing& how = classifier.preprocessing();
  const int channels = classifier.architecture().in_channels;
  if (looks_like_npy(bytes) || (channels != 1 && channels != 3)) {
    Sight sight{{}, {}, read_input(item, classifier, decode)};
    if (sight.input.shape.batch != 1) {
      fail(ErrorCode::kMismatch, item.path, "an array of {} pictures instead of one", sight.input.shape.batch);
    }
    sight.picture = picture_of(sight.input.values, sight.input.shape, how);
    return sight;
  }
  DecodeOptions with_mode = decode;
  with_mode.mode = channels == 1 ? ColorMode::kGray : ColorMode::kRgb;
  Sight sight;
  sight.input.shape = classifier.input_shape();
  with_mode.notes = &sight.input.notes;
  sight.picture = decode_image(bytes, item.path, with_mode);
  sight.part = seen_part(sight.picture.width, sight.picture.height, how, item.path);
  sight.input.values.resize(static_cast<std::size_t>(sight.input.shape.count()));
  preprocess(sight.picture, how, sight.input.values, item.path);
  return sight;
}

Image picture_of(std::span<const float> values, const FeatureShape& shape, const Preprocessing& how) {
  Image image{static_cast<int>(shape.width), static_cast<int>(shape.height), shape.channels == 3 ? 3 : 1, {}};
  const auto plane = static_cast<std::size_t>(shape.height * shape.width);
  image.pixels.resize(plane * static_cast<std::size_t>(image.channels));
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    const std::size_t channel = i % static_cast<std::size_t>(image.channels);
    const float value = values[channel * plane + i / static_cast<std::size_t>(image.channels)];
    const float byte = std::clamp(255 * (value * how.std[channel] + how.mean[channel]), 0.0F, 255.0F);
    image.pixels[i] = static_cast<std::uint8_t>(std::isnan(byte) ? 0 : std::lround(byte));
  }
  return image;
}

}  // namespace resnet
