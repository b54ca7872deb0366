// A picture to draw on: rectangles, polygons, lines, other pictures, text.
//
// Coordinates are pixels from the top left; edges that lie between pixels are blended. What reaches beyond the canvas
// is cut off. Not for several threads at once.
#pragma once

#include <span>
#include <string_view>

#include "report/color.h"
#include "resnet/image.h"

namespace resnet {

struct CanvasPoint {
  double x = 0, y = 0;
};

enum class TextAlign { kLeft, kCenter, kRight };

class Canvas {
 public:
  Canvas(int width, int height, Color background);

  int width() const noexcept { return image_.width; }
  int height() const noexcept { return image_.height; }

  void rect(double x, double y, double width, double height, Color color, double opacity = 1);

  // The outline of a rectangle, `line` pixels wide, inside of it.
  void frame(double x, double y, double width, double height, double line, Color color);

  // The inside of a closed polygon, by the even-odd rule.
  void polygon(std::span<const CanvasPoint> corners, Color color, double opacity = 1);

  // A line through points, `width` pixels wide, with round ends. With `dashes` it is drawn and left out in turns, for
  // the lengths that they say.
  void line(std::span<const CanvasPoint> points, double width, Color color, std::span<const double> dashes = {});

  // One line; `x` is its beginning, middle or end.
  void text(double x, double baseline, std::string_view text, double size, Color color,
            TextAlign align = TextAlign::kLeft);

  // A picture as it is, RGB or gray.
  void picture(int x, int y, const Image& image);

  // Each pixel of a rectangle is mixed with what `paint` says for it: Color paint(double x, double y), x and y from 0
  // to 1 over the rectangle.
  template <typename Paint>
  void paint(double x, double y, double width, double height, double opacity, Paint paint) {
    const Span across = cover(x, width, image_.width);
    const Span down = cover(y, height, image_.height);
    for (int row = down.begin; row < down.end; ++row) {
      for (int column = across.begin; column < across.end; ++column) {
        mix(column, row, paint((column + 0.5 - x) / width, (row + 0.5 - y) / height),
            opacity * share(x, width, column) * share(y, height, row));
      }
    }
  }

  const Image& image() const noexcept { return image_; }

 private:
  struct Span {
    int begin, end;
  };
  static Span cover(double begin, double length, int size) noexcept;  // the pixels that a stretch touches
  static double share(double begin, double length, int pixel) noexcept;
  void mix(int x, int y, Color color, double opacity) noexcept;

  Image image_;
};

// The picture at this size: enlarged more than twice, its pixels stay squares, so that nobody takes the blur for
// what the network saw; else resized with antialiasing.
Image scaled(const Image& image, int width, int height);

}  // namespace resnet
