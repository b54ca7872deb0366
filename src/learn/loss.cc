#include "learn/loss.h"

#include <algorithm>
#include <cmath>

namespace resnet {
namespace {

double weight_of(const LossOptions& options, std::size_t label) {
  return options.class_weights.empty() ? 1 : options.class_weights[label];
}

}  // namespace

double total_weight(std::span<const std::int64_t> labels, const LossOptions& options) {
  double sum = 0;
  for (const std::int64_t label : labels) sum += weight_of(options, static_cast<std::size_t>(label));
  return sum;
}

double cross_entropy(std::span<const float> logits, std::span<const std::int64_t> labels, const LossOptions& options,
                     double factor, std::span<float> gradient) {
  const std::size_t classes = logits.size() / labels.size();
  const double all = total_weight(labels, options);
  const double smoothing = options.label_smoothing;
  double loss = 0;
  std::vector<double> log_share(classes), target(classes);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto row = logits.subspan(i * classes, classes);
    const double largest = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (const float logit : row) sum += std::exp(logit - largest);
    const double shift = largest + std::log(sum);
    double targets = 0;
    for (std::size_t c = 0; c < classes; ++c) {
      log_share[c] = row[c] - shift;
      target[c] = smoothing == 0 ? 0 : smoothing / static_cast<double>(classes) * weight_of(options, c);
      if (c == static_cast<std::size_t>(labels[i])) target[c] += (1 - smoothing) * weight_of(options, c);
      if (target[c] != 0) loss -= target[c] * log_share[c];
      targets += target[c];
    }
    for (std::size_t c = 0; c < classes; ++c) {
      gradient[i * classes + c] += static_cast<float>(factor / all * (targets * std::exp(log_share[c]) - target[c]));
    }
  }
  return loss / all;
}

}  // namespace resnet
