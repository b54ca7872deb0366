// Writes the few shapes of SVG that drawings of networks need. Colours come from classes, so that one style sheet
// serves light and dark pages.
#pragma once

#include <string>
#include <string_view>

namespace resnet {

enum class Anchor { kStart, kMiddle, kEnd };

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

  // The whole file, on a rounded card of this size.
  std::string finish(double width, double height) const;

 private:
  std::string title_;
  std::string css_;
  std::string body_;
};

}  // namespace resnet
