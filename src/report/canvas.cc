#include "report/canvas.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "report/font.h"

namespace resnet {

Canvas::Canvas(int width, int height, Color background) : image_{width, height, 3, {}} {
  RESNET_ASSERT(width > 0 && height > 0);
  image_.pixels.resize(std::size_t{3} * static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
  rect(0, 0, width, height, background);
}

Canvas::Span Canvas::cover(double begin, double length, int size) noexcept {
  if (std::isnan(begin + length)) return {0, 0};  // no number covers nothing
  return {static_cast<int>(std::clamp(std::floor(begin), 0.0, static_cast<double>(size))),
          static_cast<int>(std::clamp(std::ceil(begin + length), 0.0, static_cast<double>(size)))};
}

double Canvas::share(double begin, double length, int pixel) noexcept {
  return std::clamp(std::min(begin + length, pixel + 1.0) - std::max(begin, static_cast<double>(pixel)), 0.0, 1.0);
}

void Canvas::mix(int x, int y, Color color, double opacity) noexcept {
  const std::size_t pixel = static_cast<std::size_t>(y) * static_cast<std::size_t>(image_.width) + x;
  std::uint8_t* const to = image_.pixels.data() + 3 * pixel;
  const auto blend = [&](std::uint8_t old, std::uint8_t target) {
    return static_cast<std::uint8_t>(std::lround(old + opacity * (target - old)));
  };
  to[0] = blend(to[0], color.red);
  to[1] = blend(to[1], color.green);
  to[2] = blend(to[2], color.blue);
}

void Canvas::rect(double x, double y, double width, double height, Color color, double opacity) {
  paint(x, y, width, height, opacity, [color](double, double) { return color; });
}

void Canvas::frame(double x, double y, double width, double height, double line, Color color) {
  rect(x, y, width, line, color);
  rect(x, y + height - line, width, line, color);
  rect(x, y + line, line, height - 2 * line, color);
  rect(x + width - line, y + line, line, height - 2 * line, color);
}

void Canvas::text(double x, double baseline, std::string_view text, double size, Color color, TextAlign align) {
  if (align != TextAlign::kLeft) x -= text_width(text, size) * (align == TextAlign::kCenter ? 0.5 : 1);
  lay_out_text(text, size, x, baseline, [&](const Glyph& glyph) {
    for (int row = 0; row < glyph.height; ++row) {
      for (int column = 0; column < glyph.width; ++column) {
        const int to_x = glyph.left + column;
        const int to_y = glyph.top + row;
        if (to_x < 0 || to_y < 0 || to_x >= width() || to_y >= height()) continue;
        mix(to_x, to_y, color, glyph.coverage[static_cast<std::size_t>(row) * glyph.width + column] / 255.0);
      }
    }
  });
}

void Canvas::picture(int x, int y, const Image& image) {
  const auto channels = static_cast<std::size_t>(image.channels);
  RESNET_ASSERT(channels == 1 || channels == 3);
  paint(x, y, image.width, image.height, 1, [&](double u, double v) {
    const std::size_t pixel = static_cast<std::size_t>(v * image.height) * static_cast<std::size_t>(image.width) +
                              static_cast<std::size_t>(u * image.width);
    const std::uint8_t* const from = image.pixels.data() + pixel * channels;
    return channels == 3 ? Color{from[0], from[1], from[2]} : Color{from[0], from[0], from[0]};
  });
}

Image scaled(const Image& image, int width, int height) {
  if (width <= 2 * image.width && height <= 2 * image.height) {
    return resize(image, width, height, Interpolation::kBicubic);
  }
  Image result{width, height, image.channels, {}};
  const auto channels = static_cast<std::size_t>(image.channels);
  result.pixels.reserve(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * channels);
  for (std::int64_t y = 0; y < height; ++y) {
    for (std::int64_t x = 0; x < width; ++x) {
      const std::int64_t pixel = y * image.height / height * image.width + x * image.width / width;
      const auto from = image.pixels.begin() + static_cast<std::ptrdiff_t>(channels) * pixel;
      result.pixels.insert(result.pixels.end(), from, from + static_cast<std::ptrdiff_t>(channels));
    }
  }
  return result;
}

}  // namespace resnet
