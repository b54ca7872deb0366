#include "model/calibrate.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"
#include "engine/calibrate.h"

namespace resnet {
namespace {

// Pictures: enough that a channel of the last stage sees some hundred pixels.
constexpr FeatureShape kPictures{16, 0, 128, 128};
constexpr FeatureShape kSmallPictures{32, 0, 32, 32};

// Where a pixel stands between two points of a grid that repeats.
struct Place {
  std::int64_t before, after;
  double weight_before, weight_after;
};

Place place(std::int64_t pixel, std::int64_t pixels, std::int64_t cells) {
  const std::int64_t before = pixel * cells / pixels;
  const double after = static_cast<double>(pixel * cells % pixels) / static_cast<double>(pixels);
  // Interpolation averages; dividing by the length of the two weights keeps the variance.
  const double length = std::hypot(1 - after, after);
  return {before, (before + 1) % cells, (1 - after) / length, after / length};
}

// Adds random values on a grid of `cells` x `cells`, interpolated in between.
void add_octave(std::span<float> plane, std::int64_t height, std::int64_t width, std::int64_t cells, Random& random) {
  std::vector<double> grid(static_cast<std::size_t>(cells * cells));
  for (double& value : grid) value = random.normal();
  for (std::int64_t y = 0; y < height; ++y) {
    const Place row = place(y, height, cells);
    const double* const above = grid.data() + row.before * cells;
    const double* const below = grid.data() + row.after * cells;
    for (std::int64_t x = 0; x < width; ++x) {
      const Place column = place(x, width, cells);
      const double before = row.weight_before * above[column.before] + row.weight_after * below[column.before];
      const double after = row.weight_before * above[column.after] + row.weight_after * below[column.after];
      plane[y * width + x] += static_cast<float>(column.weight_before * before + column.weight_after * after);
    }
  }
}

}  // namespace

std::vector<float> octave_noise(const FeatureShape& shape, std::uint64_t seed) {
  Random random(seed);
  std::vector<float> values(static_cast<std::size_t>(shape.count()));
  const std::int64_t plane = shape.height * shape.width;
  for (std::int64_t first = 0; first < shape.count(); first += plane) {
    const std::span<float> pixels = std::span(values).subspan(first, plane);
    int octaves = 0;
    for (std::int64_t cells = 2; cells <= std::min(shape.height, shape.width); cells *= 2, ++octaves) {
      add_octave(pixels, shape.height, shape.width, cells, random);
    }
    const float scale = 1 / std::sqrt(static_cast<float>(octaves));
    for (float& value : pixels) value *= scale;
  }
  return values;
}

StateDict calibrate_on_noise(const Graph& graph, const StateDict& weights, std::uint64_t seed) {
  FeatureShape shape = graph.architecture.stem == Stem::kCifar ? kSmallPictures : kPictures;
  shape.channels = graph.architecture.in_channels;
  return calibrate_batch_norms(graph, weights, octave_noise(shape, seed), shape);
}

}  // namespace resnet
