#include "augment/affine.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace resnet {
namespace {

// Pillow steps through the input in 16.16 fixed point.
std::int64_t fixed(double value) { return static_cast<std::int64_t>(std::floor(value * 65536.0 + 0.5)); }

// Python's round(x, 15), so that right angles are exact.
double round15(double value) { return std::nearbyint(value * 1e15) / 1e15; }

}  // namespace

Image transform(const Image& image, const std::array<double, 6>& m) {
  const auto channels = static_cast<std::size_t>(image.channels);
  Image result{image.width, image.height, image.channels, std::vector<std::uint8_t>(image.pixels.size())};
  std::uint8_t* out = result.pixels.data();
  std::int64_t row_x = fixed(m[2] + m[0] * 0.5 + m[1] * 0.5);
  std::int64_t row_y = fixed(m[5] + m[3] * 0.5 + m[4] * 0.5);
  const std::int64_t step[] = {fixed(m[0]), fixed(m[1]), fixed(m[3]), fixed(m[4])};
  for (int y = 0; y < image.height; ++y, row_x += step[1], row_y += step[3]) {
    std::int64_t at_x = row_x;
    std::int64_t at_y = row_y;
    for (int x = 0; x < image.width; ++x, out += channels, at_x += step[0], at_y += step[2]) {
      const std::int64_t from_x = at_x >> 16;
      const std::int64_t from_y = at_y >> 16;
      if (from_x < 0 || from_x >= image.width || from_y < 0 || from_y >= image.height) continue;
      const auto from = static_cast<std::size_t>(from_y * image.width + from_x) * channels;
      std::copy_n(image.pixels.data() + from, channels, out);
    }
  }
  return result;
}

Image rotate(const Image& image, double degrees) {
  double turned = std::fmod(degrees, 360.0);
  if (turned < 0) turned += 360.0;
  const double angle = -turned * std::numbers::pi / 180.0;
  const double cosine = round15(std::cos(angle));
  const double sine = round15(std::sin(angle));
  const double x = image.width / 2.0;
  const double y = image.height / 2.0;
  return transform(image, {cosine, sine, (cosine * -x + sine * -y) + x, -sine, cosine, (-sine * -x + cosine * -y) + y});
}

Image shear_x(const Image& image, double level) { return transform(image, {1, level, 0, 0, 1, 0}); }

Image shear_y(const Image& image, double level) { return transform(image, {1, 0, 0, level, 1, 0}); }

Image translate(const Image& image, int right, int down) {
  return transform(image, {1, 0, -static_cast<double>(right), 0, 1, -static_cast<double>(down)});
}

}  // namespace resnet
