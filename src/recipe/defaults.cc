#include "recipe/defaults.h"

#include <algorithm>

namespace resnet {

std::int64_t fitting_batch(std::int64_t pictures, std::int64_t side, std::int64_t accumulate, std::int64_t processes) {
  constexpr std::int64_t kSmallSide = 64;
  constexpr std::int64_t kSteps = 8;  // of an epoch, at least
  const std::int64_t most = side > kSmallSide ? 32 : 128;
  const std::int64_t batch = std::clamp(pictures / std::max(kSteps, accumulate), std::int64_t{2}, most);
  const std::int64_t shared = std::max(batch / processes, std::int64_t{1}) * processes;
  return std::max(std::min(shared, pictures), std::int64_t{1});
}

double fitting_lr(std::int64_t pictures_a_step, bool from_model) {
  constexpr double kPictures = 128;
  return (from_model ? 0.04 : 0.1) * std::min(static_cast<double>(pictures_a_step) / kPictures, 1.0);
}

std::int64_t fitting_epochs(double seconds_per_epoch, bool from_model) {
  constexpr double kHour = 3600;
  const double most = from_model ? 15 : 90;
  return static_cast<std::int64_t>(std::clamp(kHour / std::max(seconds_per_epoch, 1e-9), 1.0, most));
}

double epoch_seconds(std::int64_t learned, std::int64_t validated, double images_per_second) {
  constexpr double kReading = 1.2;
  return kReading * (static_cast<double>(learned) + static_cast<double>(validated) / 3) / images_per_second;
}

}  // namespace resnet
