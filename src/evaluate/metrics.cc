#include "evaluate/metrics.h"

#include <algorithm>
#include <cmath>

namespace resnet {
namespace {

double ratio(std::int64_t part, std::int64_t whole) {
  return whole > 0 ? static_cast<double>(part) / static_cast<double>(whole) : 0;
}

}  // namespace

Interval wilson_interval(std::int64_t right, std::int64_t of) {
  if (of <= 0) return {0, 1};
  constexpr double kZ = 1.959963984540054;  // the normal distribution's 97.5 % quantile
  const auto n = static_cast<double>(of);
  const double share = static_cast<double>(right) / n;
  const double scale = 1 + kZ * kZ / n;
  const double middle = (share + kZ * kZ / (2 * n)) / scale;
  const double half = kZ / scale * std::sqrt(share * (1 - share) / n + kZ * kZ / (4 * n * n));
  return {std::max(middle - half, 0.0), std::min(middle + half, 1.0)};
}

double mcnemar_p_value(std::int64_t only_a, std::int64_t only_b) {
  const std::int64_t n = only_a + only_b;
  const auto log_factorial = [](std::int64_t k) { return std::lgamma(static_cast<double>(k) + 1); };
  double sum = 0;
  for (std::int64_t k = 0; k <= std::min(only_a, only_b); ++k) {
    sum +=
        std::exp(log_factorial(n) - log_factorial(k) - log_factorial(n - k) - static_cast<double>(n) * std::log(2.0));
  }
  return std::min(2 * sum, 1.0);
}

Confusion::Confusion(int classes)
    : classes_(classes), counts_(static_cast<std::size_t>(classes) * static_cast<std::size_t>(classes)) {}

std::vector<ClassScore> Confusion::scores() const {
  std::vector<ClassScore> scores(static_cast<std::size_t>(classes_));
  for (int truth = 0; truth < classes_; ++truth) {
    for (int predicted = 0; predicted < classes_; ++predicted) {
      const std::int64_t count = at(truth, predicted);
      scores[truth].images += count;
      scores[predicted].predicted += count;
      if (truth == predicted) scores[truth].right = count;
    }
  }
  for (ClassScore& score : scores) {
    score.precision = ratio(score.right, score.predicted);
    score.recall = ratio(score.right, score.images);
    score.f1 = ratio(2 * score.right, score.predicted + score.images);
  }
  return scores;
}

std::vector<ConfusedPair> Confusion::mistakes() const {
  std::vector<ConfusedPair> pairs;
  for (int truth = 0; truth < classes_; ++truth) {
    for (int predicted = 0; predicted < classes_; ++predicted) {
      const std::int64_t count = at(truth, predicted);
      if (count > 0 && truth != predicted) pairs.push_back({truth, predicted, count});
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const ConfusedPair& a, const ConfusedPair& b) { return a.count > b.count; });
  return pairs;
}

}  // namespace resnet
