// What the steps of a network give in float32 over a set of pictures.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <vector>

#include "quantize/range.h"
#include "resnet/engine.h"

namespace resnet {

// Of one value, by the node that gives it.
struct ValueStatistics {
  float low = 0, high = 0;    // of the first half of the pictures
  Histogram seen, unseen;     // of the first half, of the second
  std::vector<double> means;  // per channel, over all pictures
  FeatureShape shape;         // of one picture
};

// Pictures of a set in parts of a few, with the index of the part's first one. `work` may run the engine.
void for_each_part(const FeatureShape& shape, std::span<const float> values,
                   const std::function<void(std::int64_t first, const FeatureShape&, std::span<const float>)>& work);

// Runs the pictures twice: for the limits, then for the histograms. `tick` is called after each part with the number of
// its pictures.
std::map<int, ValueStatistics> collect_statistics(const Engine& engine, const FeatureShape& shape,
                                                  std::span<const float> values,
                                                  const std::function<void(std::int64_t pictures)>& tick);

}  // namespace resnet
