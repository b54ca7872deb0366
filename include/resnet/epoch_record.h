// What training measures of an epoch.
#pragma once

#include <cstdint>
#include <limits>

namespace resnet {

// One line of metrics.csv. What was not measured is not a number.
struct EpochRecord {
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  std::int64_t epoch = 0;  // from 1
  std::int64_t step = 0;   // optimiser steps so far
  double lr = 0;           // of the epoch's last step
  double train_loss = 0;
  double train_top1 = 0;  // fraction, of the pictures as they were changed, while the network was learning
  double val_loss = kNone, val_top1 = kNone, val_top5 = kNone;
  double ema_loss = kNone, ema_top1 = kNone, ema_top5 = kNone;
  double images_per_second = 0;
  double seconds = 0;  // of the epoch, validation included
};

}  // namespace resnet
