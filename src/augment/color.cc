#include "augment/color.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

namespace resnet {
namespace {

using Table = std::array<std::uint8_t, 256>;

// Pillow's Image.blend in float32; `to` for an amount of 1. Fractions are cut off.
std::uint8_t blend(int from, int to, float amount) {
  const float value = static_cast<float>(from) + amount * static_cast<float>(to - from);
  return value <= 0 ? 0 : value >= 255 ? 255 : static_cast<std::uint8_t>(value);
}

// ITU-R 601-2 in 16-bit fixed point, Pillow's convert("L").
int luma(const std::uint8_t* rgb) { return (rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16; }

template <typename Function>
Table make_table(const Function& function) {
  Table table;
  for (int i = 0; i < 256; ++i) table[static_cast<std::size_t>(i)] = static_cast<std::uint8_t>(function(i));
  return table;
}

void look_up(Image& image, const Table& table) {
  for (std::uint8_t& value : image.pixels) value = table[value];
}

using Histogram = std::array<std::int64_t, 256>;

// Gives each channel a table made of its histogram.
template <typename MakeTable>
void apply_by_channel(Image& image, const MakeTable& make) {
  const auto channels = static_cast<std::size_t>(image.channels);
  for (std::size_t c = 0; c < channels; ++c) {
    Histogram histogram{};
    for (std::size_t i = c; i < image.pixels.size(); i += channels) ++histogram[image.pixels[i]];
    const Table table = make(histogram);
    for (std::size_t i = c; i < image.pixels.size(); i += channels) image.pixels[i] = table[image.pixels[i]];
  }
}

int clip(int value) { return std::clamp(value, 0, 255); }

// Pillow's RGB to HSV: each of 8 bits, hue 255 is a whole turn. Its mixture of float and double is kept, as bytes
// depend on it.
struct Hsv {
  int hue;
  int saturation;
  int value;
};

Hsv to_hsv(const std::uint8_t* rgb) {
  const int most = std::max({rgb[0], rgb[1], rgb[2]});
  const int least = std::min({rgb[0], rgb[1], rgb[2]});
  if (most == least) return {0, 0, most};
  const auto range = static_cast<float>(most - least);
  const auto away = [&](int c) { return static_cast<float>(most - rgb[c]) / range; };
  float sixths;
  if (rgb[0] == most) {
    sixths = away(2) - away(1);
  } else if (rgb[1] == most) {
    sixths = static_cast<float>(2.0 + away(0) - away(2));
  } else {
    sixths = static_cast<float>(4.0 + away(1) - away(0));
  }
  const auto hue = static_cast<float>(std::fmod(sixths / 6.0 + 1.0, 1.0));
  const float saturation = range / static_cast<float>(most);
  return {clip(static_cast<int>(hue * 255.0)), clip(static_cast<int>(saturation * 255.0)), most};
}

void from_hsv(const Hsv& hsv, std::uint8_t* rgb) {
  if (hsv.saturation == 0) {
    rgb[0] = rgb[1] = rgb[2] = static_cast<std::uint8_t>(hsv.value);
    return;
  }
  const double sixths = static_cast<float>(hsv.hue) * 6.0 / 255.0;
  const int sector = static_cast<int>(std::floor(sixths));
  const auto rest = static_cast<float>(sixths - sector);
  const auto saturation = static_cast<float>(static_cast<float>(hsv.saturation) / 255.0);
  const auto scaled = [&](double factor) {
    return static_cast<std::uint8_t>(clip(static_cast<int>(std::round(static_cast<float>(hsv.value) * factor))));
  };
  const auto v = static_cast<std::uint8_t>(hsv.value);
  const std::uint8_t p = scaled(1.0 - saturation);
  const std::uint8_t q = scaled(1.0 - saturation * rest);
  const std::uint8_t t = scaled(1.0 - saturation * (1.0 - rest));
  const std::array<std::array<std::uint8_t, 3>, 6> sectors = {
      {{v, t, p}, {q, v, p}, {p, v, t}, {p, q, v}, {t, p, v}, {v, p, q}}};
  std::copy_n(sectors[static_cast<std::size_t>(sector % 6)].begin(), 3, rgb);
}

}  // namespace

void adjust_brightness(Image& image, float factor) {
  look_up(image, make_table([&](int value) { return blend(0, value, factor); }));
}

void adjust_contrast(Image& image, float factor) {
  std::int64_t sum = 0;
  const auto channels = static_cast<std::size_t>(image.channels);
  for (std::size_t i = 0; i < image.pixels.size(); i += channels) {
    sum += channels == 3 ? luma(image.pixels.data() + i) : image.pixels[i];
  }
  const double count = static_cast<double>(image.pixels.size()) / static_cast<double>(channels);
  const int mean = static_cast<int>(std::lround(static_cast<double>(sum) / count));
  look_up(image, make_table([&](int value) { return blend(mean, value, factor); }));
}

void adjust_saturation(Image& image, float factor) {
  if (image.channels != 3) return;
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    std::uint8_t* rgb = image.pixels.data() + i;
    const int gray = luma(rgb);
    for (int c = 0; c < 3; ++c) rgb[c] = blend(gray, rgb[c], factor);
  }
}

// The smoothed picture is that of ImageFilter.SMOOTH, 3x3 weights 1 around a 5 over 13; pixels on the border stay.
void adjust_sharpness(Image& image, float factor) {
  const auto channels = static_cast<std::ptrdiff_t>(image.channels);
  const std::ptrdiff_t row = image.width * channels;
  const std::vector<std::uint8_t> before = image.pixels;
  for (std::ptrdiff_t y = 1; y + 1 < image.height; ++y) {
    for (std::ptrdiff_t i = y * row + channels; i < (y + 1) * row - channels; ++i) {
      int sum = 4 * before[static_cast<std::size_t>(i)];
      for (const std::ptrdiff_t line : {i - row, i, i + row}) {
        for (const std::ptrdiff_t at : {line - channels, line, line + channels}) {
          sum += before[static_cast<std::size_t>(at)];
        }
      }
      const int smooth = (2 * sum + 13) / 26;  // rounded; a half cannot be
      image.pixels[static_cast<std::size_t>(i)] = blend(smooth, before[static_cast<std::size_t>(i)], factor);
    }
  }
}

void adjust_hue(Image& image, double turns) {
  if (image.channels != 3) return;
  const int shift = static_cast<int>(turns * 255);
  for (std::size_t i = 0; i < image.pixels.size(); i += 3) {
    std::uint8_t* rgb = image.pixels.data() + i;
    Hsv hsv = to_hsv(rgb);
    hsv.hue = (hsv.hue + shift) & 0xFF;
    from_hsv(hsv, rgb);
  }
}

void posterize(Image& image, int bits) {
  const int mask = ~((1 << (8 - bits)) - 1);
  look_up(image, make_table([&](int value) { return value & mask; }));
}

void solarize(Image& image, double threshold) {
  look_up(image, make_table([&](int value) { return value < threshold ? value : 255 - value; }));
}

void stretch_contrast(Image& image) {
  apply_by_channel(image, [](const Histogram& histogram) {
    const auto present = [](std::int64_t count) { return count != 0; };
    const auto low = std::find_if(histogram.begin(), histogram.end(), present) - histogram.begin();
    const auto high = 255 - (std::find_if(histogram.rbegin(), histogram.rend(), present) - histogram.rbegin());
    if (high <= low) return make_table([](int value) { return value; });
    const double scale = 255.0 / static_cast<double>(high - low);
    const double offset = -static_cast<double>(low) * scale;
    return make_table([&](int value) { return clip(static_cast<int>(value * scale + offset)); });
  });
}

void equalize(Image& image) {
  apply_by_channel(image, [](const Histogram& histogram) {
    std::int64_t total = 0;
    std::int64_t last = 0;  // of the brightest value that is there
    for (const std::int64_t count : histogram) {
      total += count;
      if (count != 0) last = count;
    }
    const std::int64_t step = (total - last) / 255;
    if (step == 0) return make_table([](int value) { return value; });
    std::int64_t sum = step / 2;
    return make_table([&](int value) {
      const auto level = static_cast<int>(std::min<std::int64_t>(sum / step, 255));
      sum += histogram[static_cast<std::size_t>(value)];
      return level;
    });
  });
}

void jitter_colors(Image& image, const ColorJitter& jitter, Random& random) {
  std::array<int, 4> order = {0, 1, 2, 3};
  for (std::size_t i = 3; i > 0; --i) std::swap(order[i], order[random.below(i + 1)]);
  const auto factor = [&](double range) {
    return static_cast<float>(random.uniform(std::max(0.0, 1 - range), 1 + range));
  };
  for (const int change : order) {
    switch (change) {
      case 0:
        if (jitter.brightness > 0) adjust_brightness(image, factor(jitter.brightness));
        break;
      case 1:
        if (jitter.contrast > 0) adjust_contrast(image, factor(jitter.contrast));
        break;
      case 2:
        if (jitter.saturation > 0) adjust_saturation(image, factor(jitter.saturation));
        break;
      default:
        if (jitter.hue > 0) adjust_hue(image, random.uniform(-jitter.hue, jitter.hue));
    }
  }
}

}  // namespace resnet
