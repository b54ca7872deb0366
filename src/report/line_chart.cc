#include "report/line_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "report/page.h"

namespace resnet {
namespace {

constexpr double kWidth = 720, kHeight = 320;
constexpr double kLeft = 64, kRight = 16, kTop = 56, kBottom = 44;
constexpr std::array kColors = {"#2f6fde", "#e0662b", "#2b9a5b", "#a04fc4", "#c2a000", "#d6336c", "#0b9bb0", "#7a7a7a"};

// The values that an axis shows, and where they lie in the picture.
struct Axis {
  double low, high, begin, end;
  double step = 1;

  Axis(double least, double most, double first, double last) : low(least), high(most), begin(first), end(last) {
    if (!(high > low)) {
      const double margin = low == 0 ? 1 : std::abs(low) * 0.1;
      low -= margin;
      high += margin;
    }
    // Steps of 1, 2 or 5 times a power of ten, about five of them.
    const double rough = (high - low) / 5;
    const double power = std::pow(10, std::floor(std::log10(rough)));
    step = power * (rough / power < 1.5 ? 1 : rough / power < 3.5 ? 2 : rough / power < 7.5 ? 5 : 10);
  }

  double place(double value) const { return begin + (value - low) / (high - low) * (end - begin); }

  template <typename Tick>
  void for_ticks(const Tick& tick) const {
    for (double i = std::ceil(low / step); i * step <= high + step * 1e-6; ++i) tick(i * step);
  }
};

struct Range {
  double low = INFINITY, high = -INFINITY;
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

bool is_point(const Curve& curve, std::size_t i) { return std::isfinite(curve.x[i]) && std::isfinite(curve.y[i]); }

std::string path_of(const Curve& curve, const Axis& x, const Axis& y) {
  std::string path;
  bool pen_down = false;
  for (std::size_t i = 0; i < curve.x.size(); ++i) {
    const bool point = is_point(curve, i);
    if (point) path += fmt::format("{}{:.1f} {:.1f}", pen_down ? "L" : "M", x.place(curve.x[i]), y.place(curve.y[i]));
    pen_down = point;
  }
  return path;
}

std::string grid(const Axis& x, const Axis& y) {
  std::string svg;
  y.for_ticks([&](double value) {
    svg += fmt::format(
        R"(<path class="grid" d="M{:.1f} {:.1f}H{:.1f}"/><text x="{:.1f}" y="{:.1f}" text-anchor="end">{:.4g}</text>)",
        kLeft, y.place(value), kWidth - kRight, kLeft - 8, y.place(value) + 4, value);
  });
  x.for_ticks([&](double value) {
    svg += fmt::format(
        R"(<path class="grid" d="M{:.1f} {:.1f}V{:.1f}"/><text x="{:.1f}" y="{:.1f}" text-anchor="middle">{:.6g}</text>)",
        x.place(value), kTop, kHeight - kBottom, x.place(value), kHeight - kBottom + 18, value);
  });
  return svg;
}

}  // namespace

std::string to_svg(const LineChart& chart) {
  Range xs, ys;
  for (const Curve& curve : chart.curves) {
    for (std::size_t i = 0; i < curve.x.size(); ++i) {
      if (!is_point(curve, i)) continue;
      xs.add(curve.x[i]);
      ys.add(curve.y[i]);
    }
  }
  std::string svg = fmt::format(
      R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {} {}" role="img" aria-label="{}" font-family="system-ui,sans-serif" font-size="12">)"
      "<style>text{{fill:var(--quiet,#555)}}.grid{{stroke:var(--line,#ddd);fill:none}}.curve{{fill:none;stroke-width:2;"
      "stroke-linejoin:round}}@media(prefers-color-scheme:dark){{text{{fill:var(--quiet,#9aa2af)}}"
      ".grid{{stroke:var(--line,#343943)}}}}</style>"
      R"(<text x="{}" y="20" font-size="15" font-weight="600">{}</text>)",
      kWidth, kHeight, escape_html(chart.title), kLeft, escape_html(chart.title));
  if (!(xs.low <= xs.high))
    return svg + fmt::format(R"(<text x="{}" y="{}">nothing measured yet</text></svg>)", kLeft, kHeight / 2);
  if (chart.from_zero) ys.add(0);
  if (chart.y_reach != 0) ys.add(chart.y_reach);
  const Axis x(xs.low, xs.high, kLeft, kWidth - kRight);
  const Axis y(ys.low, ys.high, kHeight - kBottom, kTop);
  svg += grid(x, y);
  double at = kLeft;
  for (std::size_t i = 0; i < chart.curves.size(); ++i) {
    const Curve& curve = chart.curves[i];
    const char* color = kColors[(curve.color < 0 ? i : static_cast<std::size_t>(curve.color)) % kColors.size()];
    const char* dashes = curve.dashed ? R"( stroke-dasharray="5 4")" : "";
    svg += fmt::format(R"(<path class="curve" stroke="{}"{} d="{}"/>)", color, dashes, path_of(curve, x, y));
    for (std::size_t k = 0; curve.x.size() <= 40 && k < curve.x.size(); ++k) {
      if (is_point(curve, k))
        svg += fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="2.5" fill="{}"/>)", x.place(curve.x[k]),
                           y.place(curve.y[k]), color);
    }
    svg += fmt::format(R"(<path stroke="{}"{} stroke-width="3" d="M{:.1f} 36h14"/><text x="{:.1f}" y="40">{}</text>)",
                       color, dashes, at, at + 19, escape_html(curve.name));
    at += 34 + 7.0 * static_cast<double>(curve.name.size());
  }
  svg += fmt::format(R"(<text x="{:.1f}" y="{:.1f}" text-anchor="middle">{}</text>)", (kLeft + kWidth - kRight) / 2,
                     kHeight - 8, escape_html(chart.x_label));
  svg += fmt::format(R"svg(<text transform="translate(14 {:.1f}) rotate(-90)" text-anchor="middle">{}</text></svg>)svg",
                     (kTop + kHeight - kBottom) / 2, escape_html(chart.y_label));
  return svg;
}

}  // namespace resnet
