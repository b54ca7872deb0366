// Whether a model's probabilities mean what they say, and the one number that makes them mean it more.
//
// Source: Guo, Pleiss, Sun, Weinberger 2017, "On Calibration of Modern Neural Networks" (arXiv:1706.04599).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace resnet {

struct ReliabilityBin {
  std::int64_t images = 0;
  double confidence = 0;  // mean probability of the class that was chosen; 0 where there are no images
  double accuracy = 0;    // share that was right, likewise
};

struct Reliability {
  std::vector<ReliabilityBin> bins;  // of equal width from 0 to 1; a bound belongs to the bin below it
  double ece = 0;                    // expected calibration error: mean of |confidence - accuracy| over the images
};

// Whether probabilities of `mended` are nearer to what is right than those of `before`.
inline bool less_error(const Reliability& mended, const Reliability& before) noexcept {
  return mended.ece < before.ece;
}

inline constexpr int kReliabilityBins = 15;

// Sections 2 and 3; one confidence and one verdict per image.
Reliability reliability(std::span<const float> confidences, const std::vector<bool>& right);

// Section 4.2: the T for which softmax(logits / T) has the least cross-entropy. `logits` has a row per truth. 0.01 to
// 100, whose ends are reached where every image is right or nothing is learned.
double fit_temperature(std::span<const float> logits, std::span<const int> truths);

// Mean cross-entropy of softmax(logits / temperature), and the highest probability of each row.
struct Tempered {
  double loss = 0;
  std::vector<float> confidences;
};
Tempered temper(std::span<const float> logits, std::span<const int> truths, double temperature);

}  // namespace resnet
