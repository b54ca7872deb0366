#include "arch/svg.h"

#include <fmt/format.h>

namespace resnet {
namespace {

std::string escape(std::string_view text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      default: result += c;
    }
  }
  return result;
}

}  // namespace

Svg::Svg(std::string_view title, std::string_view css) : title_(escape(title)), css_(css) {}

void Svg::rect(double x, double y, double width, double height, double radius, std::string_view css_class) {
  body_ +=
      fmt::format("<rect x=\"{:.4g}\" y=\"{:.4g}\" width=\"{:.4g}\" height=\"{:.4g}\" rx=\"{:g}\" class=\"{}\"/>\n", x,
                  y, width, height, radius, css_class);
}

void Svg::circle(double x, double y, double radius, std::string_view css_class) {
  body_ += fmt::format("<circle cx=\"{:.4g}\" cy=\"{:.4g}\" r=\"{:g}\" class=\"{}\"/>\n", x, y, radius, css_class);
}

void Svg::path(std::string_view commands, std::string_view css_class) {
  body_ += fmt::format("<path d=\"{}\" class=\"{}\"/>\n", commands, css_class);
}

void Svg::text(double x, double y, std::string_view content, std::string_view css_class, Anchor anchor) {
  constexpr std::string_view kAnchors[] = {"start", "middle", "end"};
  body_ += fmt::format("<text x=\"{:.4g}\" y=\"{:.4g}\" text-anchor=\"{}\" class=\"{}\">{}</text>\n", x, y,
                       kAnchors[static_cast<int>(anchor)], css_class, escape(content));
}

void Svg::arrow(double x1, double y1, double x2, double y2, std::string_view line_class, std::string_view head_class) {
  constexpr double kLength = 7;
  constexpr double kHalf = 3.5;
  if (x1 == x2) {
    path(fmt::format("M{:.4g} {:.4g}V{:.4g}", x1, y1, y2 - kLength), line_class);
    path(fmt::format("M{:.4g} {:.4g}l{:g} {:g}h{:g}z", x2, y2, -kHalf, -kLength, 2 * kHalf), head_class);
  } else {
    const double back = x1 < x2 ? -kLength : kLength;
    path(fmt::format("M{:.4g} {:.4g}H{:.4g}", x1, y1, x2 + back), line_class);
    path(fmt::format("M{:.4g} {:.4g}l{:g} {:g}v{:g}z", x2, y2, back, -kHalf, 2 * kHalf), head_class);
  }
}

std::string Svg::finish(double width, double height) const {
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.4g} {1:.4g}\" width=\"{0:.4g}\" height=\"{1:.4g}\" "
      "role=\"img\">\n<title>{2}</title>\n<style>\n{3}</style>\n"
      "<rect x=\"0.5\" y=\"0.5\" width=\"{4:.4g}\" height=\"{5:.4g}\" rx=\"10\" class=\"card\"/>\n{6}</svg>\n",
      width, height, title_, css_, width - 1, height - 1, body_);
}

}  // namespace resnet
