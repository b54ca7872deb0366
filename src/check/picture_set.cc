#include "check/picture_set.h"

#include <algorithm>

namespace resnet {

std::vector<float> PictureSet::prepare(const Preprocessing& how, std::int64_t begin, std::int64_t end) const {
  const auto plane = static_cast<std::size_t>(shape_.height * shape_.width);
  const auto channels = static_cast<std::size_t>(shape_.channels);
  std::vector<float> values(static_cast<std::size_t>(end - begin) * channels * plane);
  float* to = values.data();
  for (std::int64_t picture = begin; picture < end; ++picture) {
    for (std::size_t c = 0; c < channels; ++c, to += plane) {
      const std::size_t source = how.channels == ChannelOrder::kBgr ? channels - 1 - c : c;
      const float* from = pictures_.data() + (static_cast<std::size_t>(picture) * channels + source) * plane;
      std::transform(from, from + plane, to, [&](float value) { return (value - how.mean[c]) / how.std[c]; });
    }
  }
  return values;
}

}  // namespace resnet
