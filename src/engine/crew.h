// The threads of a Crew (resnet/crew.h), and how a step of a run takes them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <vector>

#include "engine/execute.h"
#include "resnet/crew.h"

namespace resnet {

// All functions may be called from several threads at the same time.
struct Crew::Team {
  Team(int helpers, std::function<int()> ask)
      : free(std::move(ask)), pool(helpers + 1), scratch(static_cast<std::size_t>(helpers) + 1) {}

  // Makes room for runs of this plan.
  void fit(const Plan& plan);

  // Computes the step where helpers are free; else does nothing and gives false.
  bool run(const PlanStep& step, const Kernels& kernels, const float* input, std::byte* arena) noexcept;

  const std::function<int()> free;
  std::atomic<std::int64_t> rests_until = 0;  // ticks of the steady clock
  std::mutex busy;                            // for what follows
  ThreadPool pool;
  std::vector<AlignedBuffer<std::byte>> scratch;  // one per thread
  std::atomic<std::size_t> scratch_bytes = 0;     // of each
};

}  // namespace resnet
