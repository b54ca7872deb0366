// Letters for pictures, drawn by stb_truetype from the font that is part of the program.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace resnet {

// How dark each pixel of a letter is, row by row.
struct Glyph {
  int left = 0, top = 0;  // of its first pixel
  int width = 0, height = 0;
  std::vector<std::uint8_t> coverage;
};

// Sizes are in pixels from the top of the tallest letter to the foot of the deepest; text is UTF-8. Letters that the
// font lacks, and bytes that are no UTF-8, become its sign for them.
double text_width(std::string_view text, double size);

// The text where it fits into `width` pixels, else its beginning and an ellipsis.
std::string fit_text(std::string_view text, double size, double width);

// Calls draw for each letter of a line that begins at x and stands on `baseline`.
void lay_out_text(std::string_view text, double size, double x, double baseline,
                  const std::function<void(const Glyph&)>& draw);

}  // namespace resnet
