// Colours, and the scale from little to much that heatmaps use.
#pragma once

#include <cstdint>

namespace resnet {

struct Color {
  std::uint8_t red = 0, green = 0, blue = 0;
  bool operator==(const Color&) const = default;
};

// Dark violet (0) over red to light yellow (1), so that equal steps of `share` are equal steps of lightness, also in
// gray print and to colour-blind eyes: a straight line of lightness in OKLab (Ottosson 2020, "A perceptual color space
// for image processing") while the hue turns. Values outside 0..1 count as the nearer end.
Color heat_color(double share) noexcept;

// OKLab's lightness of a colour, 0 (black) to 1 (white).
double lightness(Color color) noexcept;

}  // namespace resnet
