#include "report/canvas.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "report/font.h"

namespace resnet {
namespace {

// A straight piece of a line.
struct Stretch {
  CanvasPoint from, to;
};

double distance(const Stretch& stretch, CanvasPoint point) {
  const double dx = stretch.to.x - stretch.from.x;
  const double dy = stretch.to.y - stretch.from.y;
  const double square = dx * dx + dy * dy;
  const double along = (point.x - stretch.from.x) * dx + (point.y - stretch.from.y) * dy;
  const double place = square > 0 ? std::clamp(along / square, 0.0, 1.0) : 0;
  return std::hypot(stretch.from.x + place * dx - point.x, stretch.from.y + place * dy - point.y);
}

// What is drawn of a line: all of it, or its dashes.
std::vector<Stretch> cut(std::span<const CanvasPoint> points, std::span<const double> dashes) {
  std::vector<Stretch> result;
  std::size_t turn = 0;  // of the dashes; odd ones are left out
  double rest = dashes.empty() ? 0 : dashes[0];
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    CanvasPoint from = points[i];
    const CanvasPoint to = points[i + 1];
    while (!dashes.empty() && std::hypot(to.x - from.x, to.y - from.y) > rest) {
      const double part = rest / std::hypot(to.x - from.x, to.y - from.y);
      const CanvasPoint between{from.x + part * (to.x - from.x), from.y + part * (to.y - from.y)};
      if (turn % 2 == 0) result.push_back({from, between});
      from = between;
      rest = dashes[++turn % dashes.size()];
    }
    rest -= std::hypot(to.x - from.x, to.y - from.y);
    if (turn % 2 == 0) result.push_back({from, to});
  }
  return result;
}

}  // namespace

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

void Canvas::polygon(std::span<const CanvasPoint> corners, Color color, double opacity) {
  constexpr int kLines = 4;  // of samples in a row of pixels; across, coverage is exact
  if (corners.empty()) return;
  const auto [top, bottom] = std::minmax_element(corners.begin(), corners.end(),
                                                 [](const CanvasPoint& a, const CanvasPoint& b) { return a.y < b.y; });
  std::vector<double> covered(static_cast<std::size_t>(image_.width));
  std::vector<double> crossings;
  for (int row = std::max(0, static_cast<int>(top->y)); row < std::min(image_.height, static_cast<int>(bottom->y) + 1);
       ++row) {
    std::fill(covered.begin(), covered.end(), 0.0);
    for (int sample = 0; sample < kLines; ++sample) {
      const double y = row + (sample + 0.5) / kLines;
      crossings.clear();
      for (std::size_t i = 0; i < corners.size(); ++i) {
        const CanvasPoint& a = corners[i];
        const CanvasPoint& b = corners[(i + 1) % corners.size()];
        if ((a.y <= y) != (b.y <= y)) crossings.push_back(a.x + (y - a.y) / (b.y - a.y) * (b.x - a.x));
      }
      std::sort(crossings.begin(), crossings.end());
      for (std::size_t i = 0; i + 1 < crossings.size(); i += 2) {
        const double length = crossings[i + 1] - crossings[i];
        const Span span = cover(crossings[i], length, image_.width);
        for (int x = span.begin; x < span.end; ++x) covered[x] += share(crossings[i], length, x) / kLines;
      }
    }
    for (int x = 0; x < image_.width; ++x) {
      if (covered[x] > 0) mix(x, row, color, opacity * std::min(covered[x], 1.0));
    }
  }
}

void Canvas::line(std::span<const CanvasPoint> points, double width, Color color, std::span<const double> dashes) {
  const std::vector<Stretch> stretches = cut(points, dashes);
  if (stretches.empty()) return;
  double left = image_.width, top = image_.height, right = 0, bottom = 0;
  for (const auto& [a, b] : stretches) {
    left = std::min({left, a.x, b.x});
    right = std::max({right, a.x, b.x});
    top = std::min({top, a.y, b.y});
    bottom = std::max({bottom, a.y, b.y});
  }
  const Span across = cover(left - width, right - left + 2 * width, image_.width);
  const Span down = cover(top - width, bottom - top + 2 * width, image_.height);
  for (int y = down.begin; y < down.end; ++y) {
    for (int x = across.begin; x < across.end; ++x) {
      double nearest = width;
      for (const Stretch& stretch : stretches) nearest = std::min(nearest, distance(stretch, {x + 0.5, y + 0.5}));
      const double opacity = std::clamp(width / 2 - nearest + 0.5, 0.0, 1.0);
      if (opacity > 0) mix(x, y, color, opacity);
    }
  }
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
