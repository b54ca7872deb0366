#include "augment/crop.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace resnet {
namespace {

// Python's round(): halves go to the even number.
int round_even(double value) { return static_cast<int>(std::nearbyint(value)); }

Window at(int left, int top, int width, int height) { return {left, top, left + width, top + height}; }

}  // namespace

Window choose_resized_crop(const RandomResizedCrop& crop, int width, int height, Random& random) {
  constexpr int kTries = 10;
  const double area = static_cast<double>(width) * height;
  for (int i = 0; i < kTries; ++i) {
    const double target = area * random.uniform(crop.min_area, crop.max_area);
    const double ratio = std::exp(random.uniform(std::log(crop.min_ratio), std::log(crop.max_ratio)));
    const int w = round_even(std::min(std::sqrt(target * ratio), width + 1.0));
    const int h = round_even(std::min(std::sqrt(target / ratio), height + 1.0));
    if (w < 1 || w > width || h < 1 || h > height) continue;
    const int top = random.below(height - h + 1);
    const int left = random.below(width - w + 1);
    return at(left, top, w, h);
  }
  int w = width;
  int h = height;
  const double ratio = static_cast<double>(width) / height;
  if (ratio < crop.min_ratio) h = std::clamp(round_even(w / crop.min_ratio), 1, height);
  if (ratio > crop.max_ratio) w = std::clamp(round_even(h * crop.max_ratio), 1, width);
  return at((width - w) / 2, (height - h) / 2, w, h);
}

Image resized_crop(const View& picture, const Window& window, int width, int height, Interpolation interpolation) {
  const int from_width = window.right - window.left;
  const int from_height = window.bottom - window.top;
  View view = picture;
  view.left -= window.left;
  view.top -= window.top;
  return resample(view, make_axis(from_width, width, interpolation, 0, width),
                  make_axis(from_height, height, interpolation, 0, height),
                  first_pass(from_width, from_height, width, height));
}

Window choose_padded_crop(const PadAndCrop& crop, int width, int height, int to_width, int to_height, Random& random) {
  const auto choose = [&](int size, int to) {
    const int room = size + 2 * crop.padding - to;
    return room < 0 ? -((to - size) / 2) : random.below(room + 1) - crop.padding;
  };
  const int top = choose(height, to_height);
  const int left = choose(width, to_width);
  return at(left, top, to_width, to_height);
}

Image padded_crop(const Image& image, const Window& window) {
  const auto channels = static_cast<std::size_t>(image.channels);
  Image result{window.right - window.left, window.bottom - window.top, image.channels, {}};
  const std::size_t row_bytes = static_cast<std::size_t>(result.width) * channels;
  result.pixels.resize(row_bytes * static_cast<std::size_t>(result.height));
  const int left = std::max(window.left, 0);
  const int right = std::min(window.right, image.width);
  if (left >= right) return result;
  const std::size_t count = static_cast<std::size_t>(right - left) * channels;
  for (int y = std::max(window.top, 0); y < std::min(window.bottom, image.height); ++y) {
    const std::size_t from =
        (static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) + static_cast<std::size_t>(left)) *
        channels;
    const std::size_t to =
        static_cast<std::size_t>(y - window.top) * row_bytes + static_cast<std::size_t>(left - window.left) * channels;
    std::memcpy(result.pixels.data() + to, image.pixels.data() + from, count);
  }
  return result;
}

void flip_horizontally(Image& image) {
  const auto channels = static_cast<std::size_t>(image.channels);
  const std::size_t row_bytes = static_cast<std::size_t>(image.width) * channels;
  for (std::size_t y = 0; y < static_cast<std::size_t>(image.height); ++y) {
    std::uint8_t* left = image.pixels.data() + y * row_bytes;
    std::uint8_t* right = left + row_bytes - channels;
    for (; left < right; left += channels, right -= channels) std::swap_ranges(left, left + channels, right);
  }
}

}  // namespace resnet
