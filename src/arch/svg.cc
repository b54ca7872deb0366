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

std::string element(const SvgShape& shape) {
  constexpr std::string_view kAnchors[] = {"start", "middle", "end"};
  switch (shape.kind) {
    case SvgShape::Kind::kRect:
      return fmt::format(
          "<rect x=\"{:.4g}\" y=\"{:.4g}\" width=\"{:.4g}\" height=\"{:.4g}\" rx=\"{:g}\" class=\"{}\"/>\n", shape.x,
          shape.y, shape.width, shape.height, shape.radius, shape.css_class);
    case SvgShape::Kind::kCircle:
      return fmt::format("<circle cx=\"{:.4g}\" cy=\"{:.4g}\" r=\"{:g}\" class=\"{}\"/>\n", shape.x, shape.y,
                         shape.radius, shape.css_class);
    case SvgShape::Kind::kPath: return fmt::format("<path d=\"{}\" class=\"{}\"/>\n", shape.content, shape.css_class);
    case SvgShape::Kind::kText:
      return fmt::format("<text x=\"{:.4g}\" y=\"{:.4g}\" text-anchor=\"{}\" class=\"{}\">{}</text>\n", shape.x,
                         shape.y, kAnchors[static_cast<int>(shape.anchor)], shape.css_class, escape(shape.content));
  }
  return "";
}

}  // namespace

Svg::Svg(std::string_view title, std::string_view css) : title_(escape(title)), css_(css) {}

void Svg::rect(double x, double y, double width, double height, double radius, std::string_view css_class) {
  shapes_.push_back({SvgShape::Kind::kRect, std::string(css_class), x, y, width, height, radius});
}

void Svg::circle(double x, double y, double radius, std::string_view css_class) {
  shapes_.push_back({SvgShape::Kind::kCircle, std::string(css_class), x, y, 0, 0, radius});
}

void Svg::path(std::string_view commands, std::string_view css_class) {
  shapes_.push_back({SvgShape::Kind::kPath, std::string(css_class), 0, 0, 0, 0, 0, std::string(commands)});
}

void Svg::text(double x, double y, std::string_view content, std::string_view css_class, Anchor anchor) {
  shapes_.push_back({SvgShape::Kind::kText, std::string(css_class), x, y, 0, 0, 0, std::string(content), anchor});
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

void Svg::finish(double width, double height) {
  width_ = width;
  height_ = height;
  shapes_.insert(shapes_.begin(), {SvgShape::Kind::kRect, "card", 0.5, 0.5, width - 1, height - 1, 10});
}

std::string Svg::file() const {
  std::string body;
  for (const SvgShape& shape : shapes_) body += element(shape);
  return fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.4g} {1:.4g}\" width=\"{0:.4g}\" height=\"{1:.4g}\" "
      "role=\"img\">\n<title>{2}</title>\n<style>\n{3}</style>\n{4}</svg>\n",
      width_, height_, title_, css_, body);
}

}  // namespace resnet
