#include "recipe/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace resnet {
namespace {

// From `first` to `last` along half a cosine; `part` in 0..1.
double half_cosine(double first, double last, double part) {
  return last + (first - last) * (1 + std::cos(std::numbers::pi * part)) / 2;
}

double one_cycle(const Recipe& r, double step, double steps) {
  const double peak = r.peak * steps - 1;
  if (step <= peak) return half_cosine(r.start_factor, 1, peak > 0 ? step / peak : 1);
  const double rest = steps - 1 - std::max(peak, 0.0);
  return half_cosine(1, r.end_factor, rest > 0 ? std::clamp((step - std::max(peak, 0.0)) / rest, 0.0, 1.0) : 1);
}

double factor(const Recipe& r, double step, double steps_per_epoch) {
  const double steps = static_cast<double>(r.epochs) * steps_per_epoch;
  if (r.schedule == Recipe::Schedule::kOneCycle) return one_cycle(r, step, steps);
  const double warmup = std::round(r.warmup_epochs * steps_per_epoch);
  if (step < warmup) return r.warmup_start + (1 - r.warmup_start) * step / warmup;
  const double part = (step - warmup) / (steps - warmup);
  switch (r.schedule) {
    case Recipe::Schedule::kConstant:
    case Recipe::Schedule::kOneCycle: break;  // the latter is above
    case Recipe::Schedule::kCosine: return half_cosine(1, r.end_factor, part);
    case Recipe::Schedule::kPolynomial: return r.end_factor + (1 - r.end_factor) * std::pow(1 - part, r.power);
    case Recipe::Schedule::kStep: {
      const auto passed = std::count_if(r.step_epochs.begin(), r.step_epochs.end(),
                                        [&](double epoch) { return step >= epoch * steps_per_epoch; });
      return std::pow(r.step_factor, static_cast<double>(passed));
    }
  }
  return 1;
}

}  // namespace

double learning_rate(const Recipe& recipe, std::int64_t step, std::int64_t steps_per_epoch) {
  return recipe.lr * factor(recipe, static_cast<double>(step), static_cast<double>(steps_per_epoch));
}

}  // namespace resnet
