#include "report/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "report/font.h"
#include "report/page.h"

namespace resnet {
namespace {

std::string text(double x, double y, const char* anchor, std::string_view content, std::string_view more = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\"{}>{}</text>\n", x, y, anchor, more,
                     escape_html(content));
}

// How strong the colour of a cell is, 0 to 1: its share of the row, brightened so that a single picture of many is
// seen.
double shade(std::int64_t count, std::int64_t total) {
  return std::sqrt(static_cast<double>(count) / static_cast<double>(total));
}

std::int64_t row_total(const MatrixChart& matrix, std::size_t row) {
  const auto classes = static_cast<std::ptrdiff_t>(matrix.names.size());
  const auto begin = matrix.counts.begin() + static_cast<std::ptrdiff_t>(row) * classes;
  return std::accumulate(begin, begin + classes, std::int64_t{0});
}

enum class Cells { kDiagonal, kOthers };

// Some cells of a matrix as gray pixels. Where there are more classes than pixels on a screen, the largest of some
// neighbours, so that none gets lost.
Image shades(const MatrixChart& matrix, Cells cells) {
  constexpr std::size_t kMaxPixels = 400;
  const std::size_t classes = matrix.names.size();
  const std::size_t block = (classes + kMaxPixels - 1) / kMaxPixels;
  const std::size_t pixels = (classes + block - 1) / block;
  Image image{static_cast<int>(pixels), static_cast<int>(pixels), 1, std::vector<std::uint8_t>(pixels * pixels)};
  for (std::size_t row = 0; row < classes; ++row) {
    const std::int64_t total = row_total(matrix, row);
    for (std::size_t column = 0; column < classes && total > 0; ++column) {
      if ((row == column) != (cells == Cells::kDiagonal)) continue;
      std::uint8_t& pixel = image.pixels[row / block * pixels + column / block];
      const double own = shade(matrix.counts[row * classes + column], total);
      pixel = std::max(pixel, static_cast<std::uint8_t>(std::lround(255 * own)));
    }
  }
  return image;
}

// The size of the letters of a matrix's names.
double label_letters(const MatrixChart& matrix, double size) {
  return std::min(16.0, size / static_cast<double>(matrix.names.size()) * 0.85);
}

// How long the longest name is, as far as names are shown.
double label_room(const MatrixChart& matrix, double size) {
  constexpr double kMost = 110;
  double room = 0;
  for (const std::string& name : matrix.names) room = std::max(room, text_width(name, label_letters(matrix, size)));
  return std::min(room, kMost);
}

std::string matrix_labels(const MatrixChart& matrix, double left, double top, double size, double room) {
  const double cell = size / static_cast<double>(matrix.names.size());
  const double letters = label_letters(matrix, size);
  const std::string style = fmt::format(" font-size=\"{:.1f}\"", letters);
  std::string svg;
  for (std::size_t i = 0; i < matrix.names.size(); ++i) {
    const double middle = (static_cast<double>(i) + 0.5) * cell;
    const std::string name = fit_text(matrix.names[i], letters, room);
    svg += text(left - 8, top + middle + letters * 0.35, "end", name, style);
    const std::string turn =
        fmt::format("{} transform=\"rotate(-90 {:.1f} {:.1f})\"", style, left + middle + letters * 0.35, top - 8);
    svg += text(left + middle + letters * 0.35, top - 8, "start", name, turn);
  }
  return svg;
}

std::string matrix_counts(const MatrixChart& matrix, double left, double top, double size) {
  const std::size_t classes = matrix.names.size();
  const double cell = size / static_cast<double>(classes);
  std::string svg;
  for (std::size_t i = 0; i < matrix.counts.size(); ++i) {
    if (matrix.counts[i] == 0) continue;
    const std::size_t row = i / classes;
    const std::size_t column = i % classes;
    const double x = left + (static_cast<double>(column) + 0.5) * cell;
    const double y = top + (static_cast<double>(row) + 0.5) * cell;
    const std::string digits = fmt::format("{}", matrix.counts[i]);
    const bool strong = shade(matrix.counts[i], row_total(matrix, row)) > 0.7;
    const double letters = std::min({18.0, cell * 0.5, cell * 1.5 / static_cast<double>(digits.size())});
    svg += text(x, y + letters * 0.35, "middle", digits,
                fmt::format(" class=\"{}\" font-size=\"{:.1f}\"", strong ? "count strong" : "count", letters));
  }
  return svg;
}

// Where there are too many classes for names, numbers of some of them, counted from 0.
std::string matrix_ticks(std::size_t classes, double left, double top, double size) {
  std::size_t step = 10;
  while (classes / step > 10) step *= step % 3 == 1 ? 5 : 2;  // 10, 50, 100, 500, ...
  std::string svg;
  for (std::size_t i = 0; i < classes; i += step) {
    const double middle = (static_cast<double>(i) + 0.5) * size / static_cast<double>(classes);
    const std::string number = fmt::format("{}", i);
    svg += text(left - 6, top + middle + 4, "end", number, " font-size=\"11\"");
    svg += text(left + middle, top - 6, "middle", number, " font-size=\"11\"");
  }
  return svg;
}

}  // namespace

std::string reliability_chart(std::span<const ReliabilityColumn> before, std::span<const ReliabilityColumn> after) {
  constexpr double kLeft = 72;
  constexpr double kTop = 12;
  constexpr double kSize = 340;
  const auto x = [](double share) { return kLeft + kSize * share; };
  const auto y = [](double share) { return kTop + kSize * (1 - share); };
  std::string svg =
      "<svg class=\"chart\" viewBox=\"0 0 440 404\" role=\"img\"><title>Accuracy over confidence</title>\n";
  for (const double tick : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    svg += fmt::format("<path class=\"axis\" d=\"M{:.1f} {:.1f}H{:.1f}\"/>\n", x(0), y(tick), x(1));
    svg += text(kLeft - 8, y(tick) + 4, "end", fmt::format("{:.0f} %", 100 * tick));
    svg += text(x(tick), kTop + kSize + 20, "middle", fmt::format("{:.0f} %", 100 * tick));
  }
  for (const ReliabilityColumn& column : before) {
    if (column.empty) continue;
    svg += fmt::format("<rect class=\"bar\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>\n",
                       x(column.low) + 1, y(column.accuracy), kSize * (column.high - column.low) - 2,
                       kSize * column.accuracy);
  }
  svg += fmt::format("<path class=\"ideal\" d=\"M{:.1f} {:.1f}L{:.1f} {:.1f}\"/>\n", x(0), y(0), x(1), y(1));
  std::string line;
  std::string dots;
  for (const ReliabilityColumn& column : after) {
    if (column.empty) continue;
    line += fmt::format("{}{:.1f} {:.1f}", line.empty() ? "M" : "L", x(column.confidence), y(column.accuracy));
    dots += fmt::format("<circle class=\"dot\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\"/>\n", x(column.confidence),
                        y(column.accuracy));
  }
  if (!line.empty()) svg += fmt::format("<path class=\"line\" d=\"{}\"/>\n{}", line, dots);
  svg += text(x(0.5), kTop + kSize + 42, "middle", "confidence");
  svg += text(14, y(0.5), "middle", "accuracy", fmt::format(" transform=\"rotate(-90 14 {:.1f})\"", y(0.5)));
  return svg + "</svg>\n";
}

std::string matrix_chart(const MatrixChart& matrix) {
  const std::size_t classes = matrix.names.size();
  RESNET_ASSERT(matrix.counts.size() == classes * classes);
  const bool named = classes <= kNamedClasses;
  constexpr double kSize = 480;
  const double room = named ? label_room(matrix, kSize) : 0;
  const double left = named ? 1.25 * room + 36 : 64;  // the browser's letters may be wider than ours
  const double top = left;
  // The pictures are masks over plain colours, so that they follow the page's theme: what is right has another than
  // what is wrong.
  std::string svg = fmt::format(
      "<svg class=\"chart\" style=\"max-width:40rem\" viewBox=\"0 0 {0:.0f} {0:.0f}\" role=\"img\">"
      "<title>Confusion matrix: a row is a class, a column what it was taken for</title>\n"
      "<rect class=\"track\" x=\"{1:.1f}\" y=\"{2:.1f}\" width=\"{3:.0f}\" height=\"{3:.0f}\"/>\n",
      left + kSize + 8, left, top, kSize);
  for (const auto& [name, cells] : {std::pair("wrong", Cells::kOthers), std::pair("right", Cells::kDiagonal)}) {
    svg += fmt::format(
        "<mask id=\"{0}-cells\"><image x=\"{1:.1f}\" y=\"{2:.1f}\" width=\"{3:.0f}\" height=\"{3:.0f}\" "
        "preserveAspectRatio=\"none\" style=\"image-rendering:pixelated\" href=\"{4}\"/></mask>\n"
        "<rect class=\"heat {0}\" x=\"{1:.1f}\" y=\"{2:.1f}\" width=\"{3:.0f}\" height=\"{3:.0f}\" "
        "mask=\"url(#{0}-cells)\"/>\n",
        name, left, top, kSize, png_address(shades(matrix, cells)));
  }
  svg += named ? matrix_labels(matrix, left, top, kSize, room) : matrix_ticks(classes, left, top, kSize);
  if (classes <= 20) svg += matrix_counts(matrix, left, top, kSize);
  svg += text(left + kSize / 2, 16, "middle", "taken for");
  svg +=
      text(16, top + kSize / 2, "middle", "is", fmt::format(" transform=\"rotate(-90 16 {:.1f})\"", top + kSize / 2));
  return svg + "</svg>\n";
}

}  // namespace resnet
