#include "augment/tensor.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace resnet {
namespace {

// Calls work(offset, count) for each run of neighbouring values in a picture's window.
template <typename Work>
void for_each_run(const Layout& layout, const Window& window, const Work& work) {
  if (window.left >= window.right) return;
  const auto inner = static_cast<std::size_t>(layout.channels_last ? layout.channels : 1);
  const int planes = layout.channels_last ? 1 : layout.channels;
  const std::size_t count = static_cast<std::size_t>(window.right - window.left) * inner;
  for (int plane = 0; plane < planes; ++plane) {
    for (int y = window.top; y < window.bottom; ++y) {
      const std::size_t row =
          static_cast<std::size_t>(plane) * static_cast<std::size_t>(layout.height) + static_cast<std::size_t>(y);
      work((row * static_cast<std::size_t>(layout.width) + static_cast<std::size_t>(window.left)) * inner, count);
    }
  }
}

// Calls combine(picture, before) for each picture with the values that the one before it had, the first one's being the
// last.
template <typename Combine>
void with_the_one_before(std::span<float> pictures, const Layout& layout, const Combine& combine) {
  const std::size_t size = layout.size();
  const std::size_t count = pictures.size() / size;
  if (count < 2) return;
  const std::vector<float> last(pictures.end() - static_cast<std::ptrdiff_t>(size), pictures.end());
  for (std::size_t i = count - 1; i > 0; --i) combine(&pictures[i * size], &pictures[(i - 1) * size]);
  combine(pictures.data(), last.data());
}

// With shape `alpha` and scale 1; below 1 by the boost of Marsaglia and Tsang, section 6.
double draw_gamma(double alpha, Random& random) {
  if (alpha < 1) return draw_gamma(alpha + 1, random) * std::pow(1 - random.uniform(), 1 / alpha);
  const double d = alpha - 1.0 / 3;
  const double c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = random.normal();
    const double v = std::pow(1 + c * x, 3);
    if (v > 0 && std::log(1 - random.uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

}  // namespace

Window choose_erasing(const RandomErasing& erasing, int width, int height, Random& random) {
  constexpr int kTries = 10;
  if (random.uniform() >= erasing.probability) return {};
  const double area = static_cast<double>(width) * height;
  for (int i = 0; i < kTries; ++i) {
    const double target = area * random.uniform(erasing.min_area, erasing.max_area);
    const double ratio = std::exp(random.uniform(std::log(erasing.min_ratio), std::log(erasing.max_ratio)));
    const double h = std::nearbyint(std::sqrt(target * ratio));
    const double w = std::nearbyint(std::sqrt(target / ratio));
    if (h >= height || w >= width) continue;
    const int top = random.below(height - static_cast<int>(h) + 1);
    const int left = random.below(width - static_cast<int>(w) + 1);
    return {left, top, left + static_cast<int>(w), top + static_cast<int>(h)};
  }
  return {};
}

void erase(std::span<float> picture, const Layout& layout, const Window& window) {
  for_each_run(layout, window, [&](std::size_t offset, std::size_t count) {
    std::fill_n(picture.begin() + static_cast<std::ptrdiff_t>(offset), count, 0.0F);
  });
}

double draw_beta(double alpha, Random& random) {
  const double a = draw_gamma(alpha, random);
  const double b = draw_gamma(alpha, random);
  return a + b > 0 ? a / (a + b) : 0.5;  // both may underflow for a tiny alpha
}

void mixup(std::span<float> pictures, const Layout& layout, double weight) {
  const auto own = static_cast<float>(weight);
  const auto other = static_cast<float>(1.0 - weight);
  with_the_one_before(pictures, layout, [&](float* picture, const float* before) {
    for (std::size_t i = 0; i < layout.size(); ++i) picture[i] = picture[i] * own + before[i] * other;
  });
}

Window choose_cutmix(double weight, int width, int height, Random& random) {
  const int x = random.below(width);
  const int y = random.below(height);
  const double half = 0.5 * std::sqrt(1.0 - weight);
  const int half_width = static_cast<int>(half * width);
  const int half_height = static_cast<int>(half * height);
  return {std::max(x - half_width, 0), std::max(y - half_height, 0), std::min(x + half_width, width),
          std::min(y + half_height, height)};
}

double mixed_weight(const Window& window, int width, int height) {
  const double area = static_cast<double>(window.right - window.left) * (window.bottom - window.top);
  return 1.0 - area / (static_cast<double>(width) * height);
}

void cutmix(std::span<float> pictures, const Layout& layout, const Window& window) {
  with_the_one_before(pictures, layout, [&](float* picture, const float* before) {
    for_each_run(layout, window,
                 [&](std::size_t offset, std::size_t count) { std::copy_n(before + offset, count, picture + offset); });
  });
}

}  // namespace resnet
