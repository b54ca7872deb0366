#include "report/heat.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "report/font.h"

namespace resnet {
namespace {

constexpr double kHeat = 0.62;  // opacity of the map

// Of sheets: ink on paper.
constexpr Color kPaper{255, 255, 255};
constexpr Color kInk{28, 30, 36};
constexpr Color kQuiet{104, 110, 122};
constexpr Color kTrack{233, 235, 240};
constexpr Color kBar{150, 160, 178};
constexpr Color kAccent{196, 63, 48};

Color pixel(const Image& image, double x, double y) {
  const auto column = std::clamp(static_cast<int>(x * image.width), 0, image.width - 1);
  const auto row = std::clamp(static_cast<int>(y * image.height), 0, image.height - 1);
  const std::uint8_t* const from =
      image.pixels.data() + (static_cast<std::size_t>(row) * static_cast<std::size_t>(image.width) + column) *
                                static_cast<std::size_t>(image.channels);
  return image.channels == 3 ? Color{from[0], from[1], from[2]} : Color{from[0], from[0], from[0]};
}

Color grayed(Color color) {
  const double gray = 0.299 * color.red + 0.587 * color.green + 0.114 * color.blue;
  const auto value = static_cast<std::uint8_t>(std::lround(0.55 * gray + 0.45 * 235));
  return {value, value, value};
}

// Size that fits into a box and keeps the shape.
std::pair<int, int> fit(const Image& image, int width, int height) {
  const double factor = std::min(static_cast<double>(width) / image.width, static_cast<double>(height) / image.height);
  return {std::max(1, static_cast<int>(std::lround(image.width * factor))),
          std::max(1, static_cast<int>(std::lround(image.height * factor)))};
}

void draw_color_bar(Canvas& canvas, double x, double y, double height) {
  constexpr double kWidth = 12;
  canvas.paint(x, y, kWidth, height, 1, [](double, double v) { return heat_color(1 - v); });
  canvas.text(x + kWidth + 6, y + 11, "most", 14, kQuiet);
  canvas.text(x + kWidth + 6, y + std::max(height, 32.0) - 1, "none", 14, kQuiet);
}

void draw_bars(Canvas& canvas, const std::vector<Bar>& bars, double x, double y, double width) {
  constexpr double kStep = 42;
  for (const Bar& bar : bars) {
    const Color color = bar.emphasized ? kAccent : kBar;
    const std::string percent = fmt::format("{:.1f} %", 100 * bar.share);
    const double room = width - text_width(percent, 16) - 12;
    canvas.text(x, y + 13, fit_text(bar.label, 16, room), 16, kInk);
    canvas.text(x + width, y + 13, percent, 16, bar.emphasized ? kAccent : kQuiet, TextAlign::kRight);
    canvas.rect(x, y + 20, width, 7, kTrack);
    canvas.rect(x, y + 20, width * std::clamp(bar.share, 0.0, 1.0), 7, color);
    y += kStep;
  }
}

}  // namespace

HeatGrid HeatGrid::make(int width, int height, std::vector<float> values) {
  RESNET_ASSERT(!values.empty() && values.size() == static_cast<std::size_t>(width) * static_cast<std::size_t>(height));
  HeatGrid grid{width, height, std::move(values), 0};
  for (const float value : grid.values) grid.largest = std::max(grid.largest, value);
  return grid;
}

double HeatGrid::at(double x, double y) const noexcept {
  if (!(largest > 0)) return 0;
  const double column = std::clamp(x * width - 0.5, 0.0, width - 1.0);
  const double row = std::clamp(y * height - 0.5, 0.0, height - 1.0);
  const auto left = static_cast<int>(column);
  const auto top = static_cast<int>(row);
  const auto value = [&](int r, int c) {
    return static_cast<double>(
        values[static_cast<std::size_t>(std::min(r, height - 1)) * width + std::min(c, width - 1)]);
  };
  const double across = column - left;
  const double upper = value(top, left) * (1 - across) + value(top, left + 1) * across;
  const double lower = value(top + 1, left) * (1 - across) + value(top + 1, left + 1) * across;
  const double down = row - top;
  return (upper * (1 - down) + lower * down) / largest;
}

Image overlay(const Image& picture, const HeatGrid& map, const SeenPart& part) {
  Canvas canvas(picture.width, picture.height, kPaper);
  canvas.paint(0, 0, picture.width, picture.height, 1, [&](double x, double y) {
    const double u = (x - part.left) / part.width;
    const double v = (y - part.top) / part.height;
    const Color color = pixel(picture, x, y);
    if (u < 0 || u > 1 || v < 0 || v > 1) return grayed(color);
    const Color heat = heat_color(map.at(u, v));
    const auto mixed = [](std::uint8_t a, std::uint8_t b) {
      return static_cast<std::uint8_t>(std::lround(a + kHeat * (b - a)));
    };
    return Color{mixed(color.red, heat.red), mixed(color.green, heat.green), mixed(color.blue, heat.blue)};
  });
  return canvas.image();
}

Image draw_heat_sheet(const Image& picture, const HeatSheet& sheet) {
  constexpr int kWidth = 880;
  constexpr int kMargin = 24;
  constexpr int kTop = 78;
  constexpr int kBox = 264;
  constexpr int kGap = 16;
  const auto [width, height] = fit(picture, kBox, kBox);
  const int body = std::max(height, 42 * static_cast<int>(sheet.bars.size()));
  Canvas canvas(kWidth, kTop + body + kMargin, kPaper);
  canvas.text(kMargin, 38, fit_text(sheet.title, 23, kWidth - 2 * kMargin), 23, kInk);
  canvas.text(kMargin, 60, fit_text(sheet.subtitle, 16, kWidth - 2 * kMargin), 16, kQuiet);
  const Image small = scaled(picture, width, height);
  int x = kMargin;
  canvas.picture(x, kTop, small);
  x += width + kGap;
  canvas.picture(x, kTop, overlay(small, sheet.map, sheet.part));
  x += width + 10;
  draw_color_bar(canvas, x, kTop, height);
  x += 68;
  draw_bars(canvas, sheet.bars, x, kTop, kWidth - kMargin - x);
  return canvas.image();
}

Image draw_contact_sheet(const Tile& query, std::span<const Tile> tiles) {
  constexpr int kMargin = 24;
  constexpr int kColumns = 4;
  constexpr int kCell = 176;
  constexpr int kGap = 16;
  constexpr int kLines = 46;  // below a picture
  constexpr int kQuery = 2 * kCell + kGap + kLines;
  const int rows = static_cast<int>((tiles.size() + kColumns - 1) / kColumns);
  const int grid = rows * (kCell + kLines) + (rows - 1) * kGap;
  const int left = kMargin + kQuery + 2 * kGap;
  Canvas canvas(left + kColumns * kCell + (kColumns - 1) * kGap + kMargin,
                2 * kMargin + std::max(grid, kQuery + kLines), kPaper);
  const auto draw = [&](const Tile& tile, int x, int y, int size) {
    const auto [width, height] = fit(tile.picture, size, size);
    canvas.picture(x, y + size - height, scaled(tile.picture, width, height));  // stands on its lines
    canvas.text(x, y + size + 18, fit_text(tile.title, 16, size), 16, kInk);
    canvas.text(x, y + size + 36, fit_text(tile.subtitle, 14, size), 14, kQuiet);
  };
  draw(query, kMargin, kMargin, kQuery);
  for (std::size_t i = 0; i < tiles.size(); ++i) {
    const int column = static_cast<int>(i % kColumns);
    const int row = static_cast<int>(i / kColumns);
    draw(tiles[i], left + column * (kCell + kGap), kMargin + row * (kCell + kLines + kGap), kCell);
  }
  return canvas.image();
}

}  // namespace resnet
