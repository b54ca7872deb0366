// Whether what comes in still looks like what the network was trained on, from the first batch norm's statistics
// (resnet/check.h).
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <span>
#include <string>

#include "resnet/check.h"

namespace resnet::serve {

// All functions may be called from several threads at the same time.
class DriftGauge {
 public:
  // `say` is told once, where it is beyond doubt that the pictures are prepared otherwise than in training.
  DriftGauge(const Model& model, std::string name, std::function<void(const std::string&)> say);

  // A picture as the network takes it.
  void add(std::span<const float> input, const FeatureShape& shape);

  // Of the newest pictures, at most 64; not a number before the first 16, and where nothing can be told.
  double distance() const noexcept { return distance_.load(std::memory_order_relaxed); }

 private:
  const std::string name_;
  const std::function<void(const std::string&)> say_;
  std::mutex mutex_;  // for what follows
  InputDrift drift_;
  bool said_ = false;
  std::atomic<double> distance_;
};

}  // namespace resnet::serve
