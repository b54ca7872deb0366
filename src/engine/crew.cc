#include "engine/crew.h"

#include <time.h>

#include <algorithm>
#include <chrono>

#include "base/error.h"

namespace resnet {
namespace {

constexpr int kMaxHelpers = 1023;

// A helper that has begun a task and then has no processor, as another program has it, holds up the whole run. Steps
// that take longer than their caller computes and spins show that: the crew then rests for so many times as long.
constexpr std::int64_t kLost = 1'000'000;  // nanoseconds of a step that are no accident
constexpr std::int64_t kRest = 20;

std::int64_t steady_now() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::int64_t thread_time() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

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
  const std::int64_t begin = steady_now();
  if (begin < rests_until.load(std::memory_order_relaxed)) return false;
  const std::unique_lock lock(busy, std::try_to_lock);
  if (!lock.owns_lock()) return false;
  const std::int64_t worked = thread_time();
  run_step(step, kernels, input, arena, {pool, scratch, step.crew_tasks, helpers + 1});
  const std::int64_t end = steady_now();
  const std::int64_t lost = end - begin - (thread_time() - worked);
  if (lost > kLost) rests_until.store(end + kRest * lost, std::memory_order_relaxed);
  return true;
}

}  // namespace resnet
