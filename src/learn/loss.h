// Cross-entropy as torch.nn.functional.cross_entropy takes it, with label smoothing and class weights, and its
// gradient.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace resnet {

struct LossOptions {
  double label_smoothing = 0;
  std::vector<double> class_weights{};  // one per class; empty: all 1
};

// The sum of the labels' weights: their number where there are none.
double total_weight(std::span<const std::int64_t> labels, const LossOptions& options);

// `logits`: labels x classes. The mean over the pictures, weighted by their labels' weights (whose sum must not be 0);
// with options.label_smoothing s each picture counts (1 - s) times as its label and s / classes times as each class.
// Adds factor times the gradient to `gradient`, as large as `logits`.
double cross_entropy(std::span<const float> logits, std::span<const std::int64_t> labels, const LossOptions& options,
                     double factor, std::span<float> gradient);

}  // namespace resnet
