#include "report/font.h"

#include <cmath>

#include "base/error.h"
#include "base/text.h"
#include "report/assets.h"

// NOLINTBEGIN(readability-identifier-naming): stb's names
#define STBTT_STATIC
#define STB_TRUETYPE_IMPLEMENTATION
// NOLINTEND(readability-identifier-naming)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#include <stb/stb_truetype.h>
#pragma GCC diagnostic pop

namespace resnet {
namespace {

constexpr int kUnknown = 0xFFFD;

const stbtt_fontinfo& font() {
  static const stbtt_fontinfo kFont = [] {
    stbtt_fontinfo info;
    [[maybe_unused]] const int good =
        stbtt_InitFont(&info, reinterpret_cast<const unsigned char*>(roboto_regular_ttf().data()), 0);
    RESNET_ASSERT(good != 0);
    return info;
  }();
  return kFont;
}

// The next code point of `text`, which is shortened by it.
int take_code_point(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text[0]);
  const std::size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  const std::string_view bytes = text.substr(0, length);
  if (bytes.size() < length || valid_utf8_prefix(bytes) != length) {
    text.remove_prefix(1);
    return kUnknown;
  }
  int value = length == 1 ? first : first & (0x7F >> length);
  for (const char byte : bytes.substr(1)) value = value << 6 | (byte & 0x3F);
  text.remove_prefix(length);
  return value;
}

// Calls visit(glyph, x) for each letter, x in pixels from the beginning; returns where the text ends.
template <typename Visit>
double walk(std::string_view text, double size, Visit visit) {
  const stbtt_fontinfo& info = font();
  const double scale = stbtt_ScaleForPixelHeight(&info, static_cast<float>(size));
  double x = 0;
  int previous = 0;
  while (!text.empty()) {
    const int code_point = take_code_point(text);
    int glyph = stbtt_FindGlyphIndex(&info, code_point);
    if (glyph == 0) glyph = stbtt_FindGlyphIndex(&info, kUnknown);
    if (previous != 0) x += scale * stbtt_GetGlyphKernAdvance(&info, previous, glyph);
    visit(glyph, x);
    int advance = 0;
    stbtt_GetGlyphHMetrics(&info, glyph, &advance, nullptr);
    x += scale * advance;
    previous = glyph;
  }
  return x;
}

}  // namespace

double text_width(std::string_view text, double size) {
  return walk(text, size, [](int, double) {});
}

std::string fit_text(std::string_view text, double size, double width) {
  if (text_width(text, size) <= width) return std::string(text);
  constexpr std::string_view kEllipsis = "\u2026";
  const double room = width - text_width(kEllipsis, size);
  std::string_view rest = text;
  std::size_t kept = 0;
  while (!rest.empty()) {
    take_code_point(rest);
    const std::size_t length = text.size() - rest.size();
    if (text_width(text.substr(0, length), size) > room) break;
    kept = length;
  }
  return std::string(text.substr(0, kept)) + std::string(kEllipsis);
}

void lay_out_text(std::string_view text, double size, double x, double baseline,
                  const std::function<void(const Glyph&)>& draw) {
  const stbtt_fontinfo& info = font();
  const float scale = stbtt_ScaleForPixelHeight(&info, static_cast<float>(size));
  const int foot = static_cast<int>(std::lround(baseline));  // whole pixels keep the line sharp
  walk(text, size, [&](int index, double offset) {
    const double pen = x + offset;
    const auto shift = static_cast<float>(pen - std::floor(pen));
    int left = 0, top = 0, right = 0, bottom = 0;
    stbtt_GetGlyphBitmapBoxSubpixel(&info, index, scale, scale, shift, 0, &left, &top, &right, &bottom);
    Glyph glyph{static_cast<int>(std::floor(pen)) + left, foot + top, right - left, bottom - top, {}};
    if (glyph.width <= 0 || glyph.height <= 0) return;
    glyph.coverage.resize(static_cast<std::size_t>(glyph.width) * static_cast<std::size_t>(glyph.height));
    stbtt_MakeGlyphBitmapSubpixel(&info, glyph.coverage.data(), glyph.width, glyph.height, glyph.width, scale, scale,
                                  shift, 0, index);
    draw(glyph);
  });
}

}  // namespace resnet
