#include "cli/paint_svg.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <numbers>
#include <optional>
#include <sstream>
#include <vector>

#include "base/list_file.h"
#include "report/canvas.h"

namespace resnet::cli {
namespace {

using Points = std::vector<CanvasPoint>;
using Style = std::map<std::string, std::string, std::less<>>;  // "fill" -> "#1f2328"

double number(std::string_view text) {
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Style sheets as ours are: rules "SELECTOR, SELECTOR { NAME: VALUE; }", those for dark pages last.
class StyleSheet {
 public:
  explicit StyleSheet(std::string_view css) {
    css = css.substr(0, css.find("@media"));
    for (std::size_t open = css.find('{'); open != css.npos; open = css.find('{')) {
      const std::size_t close = css.find('}', open);
      std::istringstream selectors{std::string(css.substr(0, open))};
      for (std::string selector; std::getline(selectors, selector, ',');) {
        rules_.emplace_back(trimmed(selector, " \n"), parsed(css.substr(open + 1, close - open - 1)));
      }
      css.remove_prefix(close + 1);
    }
  }

  // Later rules win, as all of ours are as special as each other, but for those of elements, which come first.
  Style of(std::string_view element, std::string_view classes) const {
    Style style;
    for (const bool of_class : {false, true}) {
      for (const auto& [selector, rule] : rules_) {
        if (of_class ? !has_class(classes, selector) : selector != element) continue;
        for (const auto& [name, value] : rule) style[name] = value;
      }
    }
    return style;
  }

 private:
  static Style parsed(std::string_view text) {
    Style style;
    std::istringstream stream{std::string(text)};
    for (std::string part; std::getline(stream, part, ';');) {
      const std::size_t colon = part.find(':');
      if (colon == part.npos) continue;
      const std::string name(trimmed(std::string_view(part).substr(0, colon), " \n"));
      const std::string value(trimmed(std::string_view(part).substr(colon + 1)));
      style[name] = value;
      if (name == "font") style["font-size"] = value.substr(value.find_first_of("0123456789"));
    }
    if (const auto font = style.find("font"); font != style.end() && font->second.starts_with("italic 600 ")) {
      style["font-size"] = font->second.substr(std::string_view("italic 600 ").size());
    }
    return style;
  }

  // ".formula.accent" wants both.
  static bool has_class(std::string_view classes, std::string_view selector) {
    if (!selector.starts_with('.')) return false;
    std::istringstream wanted{std::string(selector.substr(1))};
    const std::string padded = " " + std::string(classes) + " ";
    for (std::string name; std::getline(wanted, name, '.');) {
      if (padded.find(" " + name + " ") == padded.npos) return false;
    }
    return true;
  }

  std::vector<std::pair<std::string, Style>> rules_;
};

std::optional<Color> color_of(const Style& style, std::string_view name, std::optional<Color> usual) {
  const auto found = style.find(name);
  if (found == style.end()) return usual;
  if (!found->second.starts_with('#')) return std::nullopt;  // none
  unsigned value = 0;
  std::from_chars(found->second.data() + 1, found->second.data() + found->second.size(), value, 16);
  return Color{static_cast<std::uint8_t>(value >> 16), static_cast<std::uint8_t>(value >> 8),
               static_cast<std::uint8_t>(value)};
}

double number_of(const Style& style, std::string_view name, double usual) {
  const auto found = style.find(name);
  return found == style.end() ? usual : number(found->second);
}

void add_arc(Points& points, double x, double y, double radius, double from, double to) {
  constexpr int kSteps = 12;
  for (int i = 0; i <= kSteps; ++i) {
    const double angle = (from + (to - from) * i / kSteps) * std::numbers::pi / 180;
    points.push_back({x + radius * std::cos(angle), y + radius * std::sin(angle)});
  }
}

Points outline(const SvgShape& shape) {
  Points points;
  if (shape.kind == SvgShape::Kind::kCircle) {
    add_arc(points, shape.x, shape.y, shape.radius, 0, 180);
    add_arc(points, shape.x, shape.y, shape.radius, 180, 360);
    return points;
  }
  const double r = std::min({shape.radius, shape.width / 2, shape.height / 2});
  const double right = shape.x + shape.width;
  const double bottom = shape.y + shape.height;
  add_arc(points, right - r, bottom - r, r, 0, 90);
  add_arc(points, shape.x + r, bottom - r, r, 90, 180);
  add_arc(points, shape.x + r, shape.y + r, r, 180, 270);
  add_arc(points, right - r, shape.y + r, r, 270, 360);
  return points;
}

// The lines of a path; each M begins another.
std::vector<Points> lines_of(std::string_view commands) {
  std::vector<Points> lines;
  CanvasPoint at;
  const auto take = [&] {
    while (!commands.empty() && commands.front() == ' ') commands.remove_prefix(1);
    double value = 0;
    const auto [end, error] = std::from_chars(commands.data(), commands.data() + commands.size(), value);
    commands.remove_prefix(error == std::errc() ? static_cast<std::size_t>(end - commands.data()) : commands.size());
    return value;
  };
  const auto go = [&](double x, double y) { lines.back().push_back(at = {x, y}); };
  while (!commands.empty()) {
    const char command = commands.front();
    commands.remove_prefix(1);
    if (command == 'M') {
      lines.emplace_back();
      const double x = take();
      go(x, take());
    } else if (command == 'H') {
      go(take(), at.y);
    } else if (command == 'V') {
      go(at.x, take());
    } else if (command == 'h') {
      go(at.x + take(), at.y);
    } else if (command == 'v') {
      go(at.x, at.y + take());
    } else if (command == 'l') {
      const double dx = take();
      go(at.x + dx, at.y + take());
    } else if (command == 'q') {
      const CanvasPoint from = at;
      const double cx = from.x + take(), cy = from.y + take(), x = from.x + take(), y = from.y + take();
      constexpr int kSteps = 10;
      for (int i = 1; i <= kSteps; ++i) {
        const double t = static_cast<double>(i) / kSteps;
        go((1 - t) * (1 - t) * from.x + 2 * t * (1 - t) * cx + t * t * x,
           (1 - t) * (1 - t) * from.y + 2 * t * (1 - t) * cy + t * t * y);
      }
    } else if (command == 'z') {
      go(lines.back().front().x, lines.back().front().y);
    }
  }
  return lines;
}

class Painter {
 public:
  Painter(const Svg& svg, double scale)
      : sheet_(svg.css()),
        scale_(scale),
        canvas_(static_cast<int>(std::ceil(svg.width() * scale)), static_cast<int>(std::ceil(svg.height() * scale)),
                kWhite) {
    for (const SvgShape& shape : svg.shapes()) paint(shape);
  }

  const Image& image() const { return canvas_.image(); }

 private:
  static constexpr Color kWhite{255, 255, 255};

  void paint(const SvgShape& shape) {
    switch (shape.kind) {
      case SvgShape::Kind::kText: return write(shape);
      case SvgShape::Kind::kPath:
        for (Points& line : lines_of(shape.content)) draw(std::move(line), sheet_.of("path", shape.css_class));
        return;
      case SvgShape::Kind::kRect: {
        Points closed = outline(shape);
        closed.push_back(closed.front());
        return draw(std::move(closed), sheet_.of("rect", shape.css_class));
      }
      case SvgShape::Kind::kCircle: return draw(outline(shape), sheet_.of("circle", shape.css_class));
    }
  }

  void draw(Points points, const Style& style) {
    for (CanvasPoint& point : points) point = {point.x * scale_, point.y * scale_};
    if (const auto fill = color_of(style, "fill", Color{})) {
      canvas_.polygon(points, *fill, number_of(style, "fill-opacity", 1));
    }
    const auto stroke = color_of(style, "stroke", std::nullopt);
    if (!stroke) return;
    std::vector<double> dashes;
    if (const auto found = style.find("stroke-dasharray"); found != style.end()) {
      std::istringstream words(found->second);
      for (double length; words >> length;) dashes.push_back(length * scale_);
    }
    canvas_.line(points, number_of(style, "stroke-width", 1) * scale_, *stroke, dashes);
  }

  void write(const SvgShape& shape) {
    constexpr double kLineHeight = 1.17;  // of Roboto's letters, of which SVG counts the em
    constexpr TextAlign kAligns[] = {TextAlign::kLeft, TextAlign::kCenter, TextAlign::kRight};
    const Style style = sheet_.of("text", shape.css_class);
    canvas_.text(shape.x * scale_, shape.y * scale_, shape.content,
                 number_of(style, "font-size", 13) * kLineHeight * scale_,
                 color_of(style, "fill", Color{}).value_or(Color{}), kAligns[static_cast<int>(shape.anchor)]);
  }

  StyleSheet sheet_;
  double scale_;
  Canvas canvas_;
};

}  // namespace

Image paint(const Svg& svg, double scale) { return Painter(svg, scale).image(); }

}  // namespace resnet::cli
