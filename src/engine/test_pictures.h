// For tests: pictures of noise, the same ones each time.
#pragma once

#include <random>
#include <vector>

#include "resnet/graph.h"

namespace resnet {

inline std::vector<float> random_pictures(const FeatureShape& shape) {
  std::vector<float> values(static_cast<std::size_t>(shape.count()));
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (float& value : values) value = normal(random);
  return values;
}

}  // namespace resnet
