#include "engine/plans.h"

#include <algorithm>

namespace resnet {
namespace {

constexpr std::size_t kMaxPlans = 64;

bool serves(const FeatureShape& plan, const FeatureShape& input) {
  return input.batch >= 1 && plan.batch >= input.batch && plan.channels == input.channels &&
         plan.height == input.height && plan.width == input.width;
}

}  // namespace

std::shared_ptr<const Plan> Plans::get(const FeatureShape& input, bool own, const Make& make) {
  {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (std::shared_ptr<const Plan> plan = look_up(input, own)) return plan;
      if (std::find(making_.begin(), making_.end(), input) == making_.end()) break;
      made_.wait(lock);
    }
    making_.push_back(input);
  }
  std::shared_ptr<const Plan> plan;
  const auto end_making = [&] {
    {
      const std::lock_guard lock(mutex_);
      making_.remove(input);
      if (plan != nullptr) add(plan, true);
    }
    made_.notify_all();
  };
  try {
    plan = std::make_shared<const Plan>(make());
  } catch (...) {
    end_making();
    throw;
  }
  end_making();
  return plan;
}

std::shared_ptr<const Plan> Plans::look_up(const FeatureShape& input, bool own) {
  auto best = known_.end();
  for (auto place = known_.begin(); place != known_.end(); ++place) {
    const FeatureShape& size = place->plan->input;
    if (own ? !place->own || size != input : !serves(size, input)) continue;
    if (best == known_.end() || size.batch < best->plan->input.batch) best = place;
  }
  if (best == known_.end()) return nullptr;
  known_.splice(known_.begin(), known_, best);
  if (best->plan->input == input) return best->plan;
  auto smaller = std::make_shared<const Plan>(with_batch(basis_, *best->plan, input.batch, threads_));
  add(smaller, false);
  return smaller;
}

void Plans::add(std::shared_ptr<const Plan> plan, bool own) {
  known_.remove_if([&](const Known& known) { return known.plan->input == plan->input; });
  known_.push_front({std::move(plan), own});
  if (known_.size() > kMaxPlans) known_.pop_back();
}

}  // namespace resnet
