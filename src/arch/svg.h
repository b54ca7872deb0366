// Writes the few shapes of SVG that drawings of networks need. Colours come from classes, so that one style sheet
// serves light and dark pages.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace resnet {

enum class Anchor { kStart, kMiddle, kEnd };

// One of the shapes of a drawing, for those who paint it themselves.
struct SvgShape {
  enum class Kind { kRect, kCircle, kPath, kText } kind;
  std::string css_class;
  double x = 0, y = 0;           // of a rectangle its upper left corner, of a circle its centre, of a text its anchor
  double width = 0, height = 0;  // of a rectangle
  double radius = 0;             // of a circle, or of a rectangle's corners
  std::string content = {};      // of a path its commands, M H V h v l q z; of a text its words
  Anchor anchor = Anchor::kMiddle;
};

class Svg {
 public:
  // `css` is the style sheet; `title` is what a screen reader says.
  Svg(std::string_view title, std::string_view css);

  void rect(double x, double y, double width, double height, double radius, std::string_view css_class);
  void circle(double x, double y, double radius, std::string_view css_class);
  void path(std::string_view commands, std::string_view css_class);

  // A line of text; y is that of its baseline.
  void text(double x, double y, std::string_view content, std::string_view css_class, Anchor anchor = Anchor::kMiddle);

  // A straight line that ends in a head, downwards or rightwards.
  void arrow(double x1, double y1, double x2, double y2, std::string_view line_class, std::string_view head_class);

  // Puts all of it on a rounded card of this size; nothing is added afterwards.
  void finish(double width, double height);

  std::string file() const;
  const std::vector<SvgShape>& shapes() const noexcept { return shapes_; }  // what is below comes first
  const std::string& css() const noexcept { return css_; }
  double width() const noexcept { return width_; }
  double height() const noexcept { return height_; }

 private:
  std::string title_;  // escaped
  std::string css_;
  std::vector<SvgShape> shapes_;
  double width_ = 0, height_ = 0;
};

}  // namespace resnet
