// The plans that an engine has made, and who makes one that is missing.
//
// A plan for N pictures serves every smaller batch of such pictures: algorithms, memory and packed weights stay, only
// the number of pictures and of tasks is another.
#pragma once

#include <condition_variable>
#include <functional>
#include <list>
#include <memory>
#include <mutex>

#include "engine/plan.h"

namespace resnet {

// All functions may be called from several threads at the same time; no lock is held while a plan is made.
class Plans {
 public:
  using Make = std::function<Plan()>;

  // `threads` are those of a run.
  Plans(const PlanBasis& basis, int threads) : basis_(basis), threads_(threads) {}

  // A plan for this size: its own, else that of the smallest larger batch, else what `make` gives. Who asks for a plan
  // that somebody is making waits for it. What `make` throws goes to the caller that made.
  std::shared_ptr<const Plan> find(const FeatureShape& input, const Make& make) { return get(input, false, make); }

  // The same, but never one made for a larger batch.
  std::shared_ptr<const Plan> find_own(const FeatureShape& input, const Make& make) { return get(input, true, make); }

 private:
  struct Known {
    std::shared_ptr<const Plan> plan;
    bool own;  // made for this size
  };

  std::shared_ptr<const Plan> get(const FeatureShape& input, bool own, const Make& make);
  std::shared_ptr<const Plan> look_up(const FeatureShape& input, bool own);  // null where there is none
  void add(std::shared_ptr<const Plan> plan, bool own);

  const PlanBasis& basis_;
  const int threads_;
  std::mutex mutex_;  // for what follows; held for moments
  std::condition_variable made_;
  std::list<FeatureShape> making_;
  std::list<Known> known_;  // the one used last comes first
};

}  // namespace resnet
