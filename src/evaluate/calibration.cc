#include "evaluate/calibration.h"

#include <algorithm>
#include <cmath>

namespace resnet {
namespace {

// How the sum of the cross-entropies of softmax(slope * logits) changes with the slope: convex, because the second
// derivative is a sum of variances.
struct Derivatives {
  double first = 0;
  double second = 0;
};

Derivatives derivatives(std::span<const float> logits, std::span<const int> truths, double slope) {
  const std::size_t classes = logits.size() / truths.size();
  Derivatives sum;
  for (std::size_t i = 0; i < truths.size(); ++i) {
    const std::span<const float> row = logits.subspan(i * classes, classes);
    const float highest = *std::max_element(row.begin(), row.end());
    double total = 0;
    double mean = 0;
    double square = 0;
    for (const float value : row) {
      const double distance = static_cast<double>(value) - highest;
      const double weight = std::exp(slope * distance);
      total += weight;
      mean += weight * distance;
      square += weight * distance * distance;
    }
    mean /= total;
    sum.first += mean - (static_cast<double>(row[truths[i]]) - highest);
    sum.second += square / total - mean * mean;
  }
  return sum;
}

}  // namespace

Reliability reliability(std::span<const float> confidences, const std::vector<bool>& right) {
  Reliability result;
  result.bins.resize(kReliabilityBins);
  for (std::size_t i = 0; i < confidences.size(); ++i) {
    const int place = static_cast<int>(std::ceil(static_cast<double>(confidences[i]) * kReliabilityBins)) - 1;
    ReliabilityBin& bin = result.bins[static_cast<std::size_t>(std::clamp(place, 0, kReliabilityBins - 1))];
    ++bin.images;
    bin.confidence += confidences[i];
    bin.accuracy += right[i] ? 1 : 0;
  }
  for (ReliabilityBin& bin : result.bins) {
    if (bin.images == 0) continue;
    result.ece += std::abs(bin.confidence - bin.accuracy) / static_cast<double>(confidences.size());
    bin.confidence /= static_cast<double>(bin.images);
    bin.accuracy /= static_cast<double>(bin.images);
  }
  return result;
}

double fit_temperature(std::span<const float> logits, std::span<const int> truths) {
  // Newton's method on the slope 1 / T, kept between bounds that close in on the root.
  double low = 0.01;
  double high = 100;
  double slope = 1;
  if (truths.empty()) return 1;
  for (int i = 0; i < 200 && high - low > 1e-9 * high; ++i) {
    const Derivatives at = derivatives(logits, truths, slope);
    (at.first > 0 ? high : low) = slope;
    const double next = slope - at.first / at.second;
    if (std::abs(next - slope) < 1e-10 * slope) break;
    slope = next > low && next < high ? next : std::sqrt(low * high);
  }
  return 1 / slope;
}

Tempered temper(std::span<const float> logits, std::span<const int> truths, double temperature) {
  Tempered result;
  const std::size_t classes = truths.empty() ? 0 : logits.size() / truths.size();
  for (std::size_t i = 0; i < truths.size(); ++i) {
    const std::span<const float> row = logits.subspan(i * classes, classes);
    const float highest = *std::max_element(row.begin(), row.end());
    double total = 0;
    for (const float value : row) total += std::exp((static_cast<double>(value) - highest) / temperature);
    result.loss += std::log(total) - (static_cast<double>(row[truths[i]]) - highest) / temperature;
    result.confidences.push_back(static_cast<float>(1 / total));
  }
  if (!truths.empty()) result.loss /= static_cast<double>(truths.size());
  return result;
}

}  // namespace resnet
