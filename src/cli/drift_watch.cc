#include "cli/drift_watch.h"

#include <fmt/format.h>

#include <utility>

#include "cli/checking.h"

namespace resnet::cli {
namespace {

constexpr std::int64_t kLookedAt = 64;  // pictures

}  // namespace

void add_no_check_option(Command& command, bool& off) {
  command.add_flag("--no-check", off, "Do not hold the first pictures to the training's")
      ->group("How pictures become tensors");
}

DriftWatch::DriftWatch(const Model& model, std::string path, bool off)
    : path_(std::move(path)), stated_(*model.preprocessing) {
  if (off) return;
  drift_.emplace(model);
  if (!drift_->can_tell()) drift_.reset();
}

std::string DriftWatch::add(std::span<const float> input, const FeatureShape& shape) {
  if (!drift_) return "";
  drift_->add(input, shape);
  return drift_->pictures() >= kLookedAt ? finish() : "";
}

std::string DriftWatch::finish() {
  if (!drift_) return "";
  const InputDrift drift = std::move(*std::exchange(drift_, std::nullopt));
  const auto contradiction = drift.contradiction();
  if (!contradiction) return "";
  return fmt::format(
      "{}: what goes into its first batch norm contradicts how pictures are prepared (distance {:.3g}, but {:.2g} with "
      "{}): its answers may be wrong; 'resnet check' tells more, --no-check does not look",
      path_, drift.distance(), contradiction->distance, flags_to(stated_, contradiction->fits));
}

}  // namespace resnet::cli
