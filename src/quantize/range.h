// How activations are distributed, and which range of them 256 quantized values should span.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "program/quantized.h"

namespace resnet {

// Counts of values in equal bins of a range that was seen before; exact zeros, which ReLU gives and every format has
// exactly, apart.
class Histogram {
 public:
  static constexpr int kBins = 4096;

  Histogram() = default;
  Histogram(float low, float high) : low_(low), width_((high - low) / kBins), counts_(kBins) {}

  void add(std::span<const float> values);

  // The value below which the share lies, zeros counted.
  float percentile(double share) const;

  // The squared error of quantizing all values to 256 that span `low` to `high`: inside, that of a uniform
  // distribution, step^2 / 12; outside, the distance.
  double squared_error(float low, float high) const;

 private:
  float centre(int bin) const { return low_ + (static_cast<float>(bin) + 0.5F) * width_; }

  float low_ = 0;
  float width_ = 0;
  std::vector<std::int64_t> counts_;
  std::int64_t zeros_ = 0;
};

struct Range {
  float low = 0;  // 0 where no value is negative
  float high = 0;
  std::string method;
};

// Proposals from `seen`: its least and largest value, percentiles, and the range of least squared error. The one that
// errs least on `unseen` wins. `low` and `high`: of all values seen.
Range choose_range(const Histogram& seen, const Histogram& unseen, float low, float high);

// The scale and zero point of a range; zero is quantized exactly.
OutputScale scale_of(const Range& range);

}  // namespace resnet
