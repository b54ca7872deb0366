#include "serve/drift_gauge.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>

namespace resnet::serve {
namespace {

constexpr std::int64_t kLeast = 16;   // pictures that tell something
constexpr std::int64_t kWindow = 64;  // behind so many it begins anew

}  // namespace

DriftGauge::DriftGauge(const Model& model, std::string name, std::function<void(const std::string&)> say)
    : name_(std::move(name)),
      say_(std::move(say)),
      drift_(model),
      distance_(std::numeric_limits<double>::quiet_NaN()) {}

void DriftGauge::add(std::span<const float> input, const FeatureShape& shape) {
  const std::lock_guard lock(mutex_);
  drift_.add(input, shape);
  if (drift_.pictures() < kLeast) return;
  if (drift_.pictures() % kLeast == 0) {
    distance_ = drift_.distance();
    const auto contradiction = said_ ? std::nullopt : drift_.contradiction();
    if (contradiction) {
      said_ = true;
      const Preprocessing& fits = contradiction->fits;
      say_(fmt::format(
          "{}: what comes in is not prepared as in training: mean {:.4g}, std {:.4g}, {} would fit (`resnet "
          "check` tells more)",
          name_, fmt::join(fits.mean, ","), fmt::join(fits.std, ","), resnet::name(fits.channels)));
    }
  }
  if (drift_.pictures() >= kWindow) drift_.clear();
}

}  // namespace resnet::serve
