#include "quantize/range.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace resnet {

void Histogram::add(std::span<const float> values) {
  for (const float value : values) {
    if (value == 0) {
      ++zeros_;
    } else {
      const float bin = width_ > 0 ? (value - low_) / width_ : 0;
      ++counts_[static_cast<std::size_t>(bin > 0 ? std::min(bin, kBins - 1.0F) : 0)];  // NaN: the first
    }
  }
}

float Histogram::percentile(double share) const {
  const std::int64_t total = std::accumulate(counts_.begin(), counts_.end(), zeros_);
  auto left = static_cast<std::int64_t>(share * static_cast<double>(total));
  bool zeros_passed = false;
  for (int bin = 0; bin < kBins; ++bin) {
    if (!zeros_passed && centre(bin) >= 0) {
      zeros_passed = true;
      left -= zeros_;
    }
    left -= counts_[bin];
    if (left <= 0) return centre(bin);
  }
  return centre(kBins - 1);
}

double Histogram::squared_error(float low, float high) const {
  const double step = (static_cast<double>(high) - low) / 255;
  double error = 0;
  for (int bin = 0; bin < kBins; ++bin) {
    if (counts_[bin] == 0) continue;
    const double value = centre(bin);
    const double outside = std::max({low - value, value - high, 0.0});
    error += static_cast<double>(counts_[bin]) * (outside > 0 ? outside * outside : step * step / 12);
  }
  return error;
}

Range choose_range(const Histogram& seen, const Histogram& unseen, float low, float high) {
  low = std::min(low, 0.0F);
  high = std::max(high, 0.0F);
  std::vector<Range> proposals = {{low, high, "min-max"}};
  for (const double share : {0.9999, 0.999}) {
    proposals.push_back({low < 0 ? std::min(seen.percentile(1 - share), 0.0F) : 0,
                         std::max(seen.percentile(share), 0.0F), "percentile"});
  }
  Range least{low, high, "squared error"};
  double least_error = seen.squared_error(low, high);
  for (int percent = 99; percent >= 10; --percent) {
    const float share = static_cast<float>(percent) / 100;
    const double error = seen.squared_error(low * share, high * share);
    if (error >= least_error) continue;
    least_error = error;
    least.low = low * share;
    least.high = high * share;
  }
  proposals.push_back(least);
  return *std::min_element(proposals.begin(), proposals.end(), [&](const Range& a, const Range& b) {
    return unseen.squared_error(a.low, a.high) < unseen.squared_error(b.low, b.high);
  });
}

OutputScale scale_of(const Range& range) {
  constexpr float kLeast = 1e-12F;  // for values that are all zero
  const float scale = std::max((range.high - range.low) / 255, kLeast);
  return {scale, static_cast<std::uint8_t>(std::clamp(std::nearbyint(-range.low / scale), 0.0F, 255.0F))};
}

}  // namespace resnet
