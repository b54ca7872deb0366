#include "engine/crew.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"

namespace resnet {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMaxHelpers = 1023;

// A helper that has begun a task and then has no processor, as another program has it, holds up the whole run. The
// caller, who did a task of its own at least, would else wait for one at most: where it waits for twice as long as it
// worked, the crew rests for so many times as long as that was.
constexpr std::chrono::microseconds kAccident(200);
constexpr int kRest = 50;

int checked_helpers(int helpers) {
  if (helpers < 1 || helpers > kMaxHelpers) {
    fail(ErrorCode::kInvalidArgument, "helpers", "{} is not 1 to {}", helpers, kMaxHelpers);
  }
  return helpers;
}

}  // namespace

Crew::Crew(int helpers, std::function<int()> free)
    : team_(std::make_unique<Team>(checked_helpers(helpers), std::move(free))) {}
Crew::~Crew() = default;

int Crew::helpers() const noexcept { return team_->pool.threads() - 1; }

void Crew::Team::fit(const Plan& plan) {
  if (plan.scratch_bytes <= scratch_bytes.load()) return;
  const std::lock_guard lock(busy);
  for (AlignedBuffer<std::byte>& own : scratch) {
    if (own.size() < plan.scratch_bytes) own = AlignedBuffer<std::byte>(plan.scratch_bytes);
  }
  scratch_bytes = std::max(scratch_bytes.load(), plan.scratch_bytes);
}

// Who finds the others helping somebody else goes on alone.
bool Crew::Team::run(const PlanStep& step, const Kernels& kernels, const float* input, std::byte* arena) noexcept {
  if (step.crew_tasks < 2) return false;
  const int helpers = std::min(free(), pool.threads() - 1);
  if (helpers < 1) return false;
  const auto begin = Clock::now();
  if (begin.time_since_epoch().count() < rests_until.load(std::memory_order_relaxed)) return false;
  const std::unique_lock lock(busy, std::try_to_lock);
  if (!lock.owns_lock()) return false;
  run_step(step, kernels, input, arena, {pool, scratch, step.crew_tasks, helpers + 1});
  const auto waited = pool.waited();
  if (waited > kAccident) {
    const auto end = Clock::now();
    if (waited > (end - begin) * 2 / 3) rests_until = (end + kRest * waited).time_since_epoch().count();
  }
  return true;
}

}  // namespace resnet
