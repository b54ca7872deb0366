#include "kernels/weight_rule.h"

#include <algorithm>

namespace resnet {
namespace {

constexpr int kShortSum = 128;
constexpr int kNoSum = 4 * 127;    // that four weights do not exceed
constexpr int kShortChannels = 8;  // of which two sets are made
constexpr WeightLimits::Set kEmpty = {-1, -1, -1, -1};

bool pays(const WeightShape& shape) { return shape.in_channels >= kShortChannels; }

}  // namespace

WeightLimits weight_limits(WeightRule rule, const WeightShape& shape, int out_channel) {
  const int taps = shape.kernel * shape.kernel;
  const int group_in = shape.in_channels / shape.groups;
  const int first = out_channel / (shape.out_channels / shape.groups) * group_in;
  const int pitch = (shape.in_channels + kShortChannels - 1) / kShortChannels * kShortChannels;  // of a tap
  WeightLimits limits;
  limits.most = rule == WeightRule::kShort && pays(shape) ? kShortSum : kNoSum;
  limits.sets.resize(static_cast<std::size_t>(pitch) * static_cast<std::size_t>(taps) / 4 + 2, kEmpty);
  for (int i = 0; i < group_in * taps; ++i) {
    const int at = i % taps * pitch + first + i / taps;
    limits.sets[at / 8 * 2 + at / 2 % 2][at / 4 % 2 * 2 + at % 2] = i;
  }
  std::erase(limits.sets, kEmpty);
  return limits;
}

bool keeps(WeightRule rule, const WeightShape& shape, std::span<const std::int8_t> weights) {
  if (rule == WeightRule::kNone) return true;
  if (!pays(shape)) return false;
  const std::int8_t* weight = weights.data();
  std::vector<int> set_of(weights.size() / static_cast<std::size_t>(shape.out_channels));
  std::vector<int> positive, negative;  // sums of the sets
  int most = 0;
  for (int out = 0; out < shape.out_channels; ++out) {
    if (out == 0 || shape.groups > 1) {
      const WeightLimits limits = weight_limits(rule, shape, out);
      for (std::size_t set = 0; set < limits.sets.size(); ++set) {
        for (const int i : limits.sets[set]) {
          if (i >= 0) set_of[i] = static_cast<int>(set);
        }
      }
      positive.resize(limits.sets.size());
      negative.resize(limits.sets.size());
      most = limits.most;
    }
    std::fill(positive.begin(), positive.end(), 0);
    std::fill(negative.begin(), negative.end(), 0);
    for (const int set : set_of) {  // in the order of memory
      positive[set] += std::max<int>(*weight, 0);
      negative[set] += std::min<int>(*weight, 0);
      ++weight;
    }
    if (*std::max_element(positive.begin(), positive.end()) > most) return false;
    if (*std::min_element(negative.begin(), negative.end()) < -most) return false;
  }
  return true;
}

}  // namespace resnet
