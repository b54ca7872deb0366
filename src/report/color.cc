#include "report/color.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace resnet {
namespace {

struct Linear {
  double red, green, blue;
};

Linear from_oklab(double l, double a, double b) {
  const double x = std::pow(l + 0.3963377774 * a + 0.2158037573 * b, 3);
  const double y = std::pow(l - 0.1055613458 * a - 0.0638541728 * b, 3);
  const double z = std::pow(l - 0.0894841775 * a - 1.2914855480 * b, 3);
  return {4.0767416621 * x - 3.3077115913 * y + 0.2309699292 * z,
          -1.2684380046 * x + 2.6097574011 * y - 0.3413193965 * z,
          -0.0041960863 * x - 0.7034186147 * y + 1.7076147010 * z};
}

bool displayable(const Linear& c) {
  return std::min({c.red, c.green, c.blue}) >= 0 && std::max({c.red, c.green, c.blue}) <= 1;
}

std::uint8_t encode(double linear) {
  const double value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * std::pow(linear, 1 / 2.4) - 0.055;
  return static_cast<std::uint8_t>(std::lround(255 * (value > 0 ? std::min(value, 1.0) : 0.0)));  // of no number, 0
}

double decode(std::uint8_t byte) {
  const double value = byte / 255.0;
  return value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
}

// The most colourful colour of this lightness and hue that a screen shows, up to a chroma.
Color colorful(double l, double hue, double chroma) {
  const double a = std::cos(hue);
  const double b = std::sin(hue);
  if (!displayable(from_oklab(l, chroma * a, chroma * b))) {
    double low = 0;
    for (int i = 0; i < 20; ++i) {
      const double middle = (low + chroma) / 2;
      (displayable(from_oklab(l, middle * a, middle * b)) ? low : chroma) = middle;
    }
    chroma = low;
  }
  const Linear c = from_oklab(l, chroma * a, chroma * b);
  return {encode(c.red), encode(c.green), encode(c.blue)};
}

}  // namespace

Color heat_color(double share) noexcept {
  static const std::array<Color, 256> kScale = [] {
    std::array<Color, 256> scale;
    for (std::size_t i = 0; i < scale.size(); ++i) {
      const double t = static_cast<double>(i) / (scale.size() - 1.0);
      const double hue = (295 + 175 * t) * std::numbers::pi / 180;  // violet, red, orange, yellow
      scale[i] = colorful(0.15 + 0.8 * t, hue, 0.19);
    }
    return scale;
  }();
  const double clamped = share > 0 ? std::min(share, 1.0) : 0;  // NaN too becomes 0
  return kScale[static_cast<std::size_t>(std::lround(255 * clamped))];
}

double lightness(Color color) noexcept {
  const double r = decode(color.red);
  const double g = decode(color.green);
  const double b = decode(color.blue);
  return 0.2104542553 * std::cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) +
         0.7936177850 * std::cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) -
         0.0040720468 * std::cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
}

}  // namespace resnet
