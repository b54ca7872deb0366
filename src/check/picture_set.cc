#include "check/picture_set.h"

#include <algorithm>

#include "base/random.h"

namespace resnet {
namespace {

constexpr std::int64_t kTensorsAtLeast = 32;  // where pictures are cropped

struct Offset {
  std::int64_t y = 0, x = 0;
};

// Of up to an eighth of the side.
Offset offset_of(std::int64_t tensor, const FeatureShape& shape) {
  Random random(seed_of({0xC2095U, static_cast<std::uint64_t>(tensor)}));
  const auto within = [&](std::int64_t side) {
    const std::int64_t border = std::max<std::int64_t>(1, side / 8);
    return static_cast<std::int64_t>(random.uniform() * static_cast<double>(2 * border + 1)) - border;
  };
  const std::int64_t y = within(shape.height);
  return {y, within(shape.width)};
}

}  // namespace

std::int64_t PictureSet::count() const {
  if (crops_ == Crops::kNone) return shape_.batch;
  return shape_.batch * std::max<std::int64_t>(1, kTensorsAtLeast / shape_.batch);
}

std::vector<float> PictureSet::prepare(const Preprocessing& how, std::int64_t begin, std::int64_t end) const {
  const std::int64_t height = shape_.height, width = shape_.width;
  const auto plane = static_cast<std::size_t>(height * width);
  const auto channels = static_cast<std::size_t>(shape_.channels);
  std::vector<float> values(static_cast<std::size_t>(end - begin) * channels * plane);
  float* to = values.data();
  for (std::int64_t tensor = begin; tensor < end; ++tensor) {
    const Offset offset = crops_ == Crops::kNone ? Offset() : offset_of(tensor, shape_);
    const auto picture = static_cast<std::size_t>(picture_of(tensor));
    for (std::size_t c = 0; c < channels; ++c) {
      const std::size_t source = how.channels == ChannelOrder::kBgr ? channels - 1 - c : c;
      const float* from = pictures_.data() + (picture * channels + source) * plane;
      const float border = crops_ == Crops::kMeanBorder ? 0 : -how.mean[c] / how.std[c];
      for (std::int64_t y = offset.y; y < offset.y + height; ++y) {
        for (std::int64_t x = offset.x; x < offset.x + width; ++x) {
          const bool inside = y >= 0 && y < height && x >= 0 && x < width;
          *to++ = inside ? (from[y * width + x] - how.mean[c]) / how.std[c] : border;
        }
      }
    }
  }
  return values;
}

}  // namespace resnet
