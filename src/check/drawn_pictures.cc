// Noise of octaves: grids of random values, twice as fine and half as strong from one to the next, interpolated. The
// power of such pictures falls with the square of the frequency, as photographs' does (Field 1987, "Relations between
// the statistics of natural images and the response properties of cortical cells").
#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "resnet/check.h"

namespace resnet {
namespace {

// Of ImageNet's photographs, RGB in 0..1.
constexpr double kMean[] = {0.485, 0.456, 0.406};
constexpr double kSpread[] = {0.229, 0.224, 0.225};
constexpr double kShared = 0.9;  // of a channel's variance, by what all channels have in common

// Adds an octave to a plane; `cells` of the grid lie along its longer side.
void add_octave(std::vector<double>& plane, std::int64_t height, std::int64_t width, std::int64_t cells,
                Random& random) {
  const double step = static_cast<double>(cells) / static_cast<double>(std::max(height, width));
  const auto rows = static_cast<std::int64_t>(static_cast<double>(height) * step) + 2;
  const auto columns = static_cast<std::int64_t>(static_cast<double>(width) * step) + 2;
  std::vector<double> grid(static_cast<std::size_t>(rows * columns));
  for (double& value : grid) value = random.uniform(-1, 1) / static_cast<double>(cells);
  for (std::int64_t y = 0; y < height; ++y) {
    const double fy = static_cast<double>(y) * step;
    const auto y0 = static_cast<std::int64_t>(fy);
    for (std::int64_t x = 0; x < width; ++x) {
      const double fx = static_cast<double>(x) * step;
      const auto x0 = static_cast<std::int64_t>(fx);
      const double* at = grid.data() + y0 * columns + x0;
      const double dy = fy - static_cast<double>(y0), dx = fx - static_cast<double>(x0);
      plane[static_cast<std::size_t>(y * width + x)] +=
          (at[0] * (1 - dx) + at[1] * dx) * (1 - dy) + (at[columns] * (1 - dx) + at[columns + 1] * dx) * dy;
    }
  }
}

std::vector<double> draw_plane(std::int64_t height, std::int64_t width, Random& random) {
  std::vector<double> plane(static_cast<std::size_t>(height * width));
  for (std::int64_t cells = 1; cells <= std::max(height, width); cells *= 2) {
    add_octave(plane, height, width, cells, random);
  }
  double mean = 0, squares = 0;
  for (const double value : plane) mean += value / static_cast<double>(plane.size());
  for (const double value : plane) squares += (value - mean) * (value - mean) / static_cast<double>(plane.size());
  // Photographs differ in brightness and contrast as well.
  const double contrast = random.uniform(0.5, 1.2) / std::sqrt(std::max(squares, 1e-12));
  const double brightness = random.uniform(-1, 1);
  for (double& value : plane) value = (value - mean) * contrast + brightness;
  return plane;
}

}  // namespace

std::vector<float> draw_pictures(const FeatureShape& shape) {
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(shape.count()));
  for (std::int64_t picture = 0; picture < shape.batch; ++picture) {
    Random random(seed_of({0x9E37U, static_cast<std::uint64_t>(picture)}));
    const std::vector<double> shared = draw_plane(shape.height, shape.width, random);
    for (std::int64_t c = 0; c < shape.channels; ++c) {
      const std::vector<double> own = draw_plane(shape.height, shape.width, random);
      const double mean = kMean[c % 3], spread = kSpread[c % 3];
      for (std::size_t i = 0; i < own.size(); ++i) {
        const double value = std::sqrt(kShared) * shared[i] + std::sqrt(1 - kShared) * own[i];
        values.push_back(static_cast<float>(std::clamp(mean + spread * value, 0.0, 1.0)));
      }
    }
  }
  return values;
}

}  // namespace resnet
