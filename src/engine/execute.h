// Running a plan: the memory and threads of one run, and what each step does.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/buffer.h"
#include "base/thread_pool.h"
#include "engine/plan.h"

namespace resnet {

// Memory and a team of threads for one run at a time.
class Workspace {
 public:
  explicit Workspace(int threads) : team(threads), scratch(static_cast<std::size_t>(threads)) {}

  // Makes room for a run of this plan.
  void fit(const Plan& plan);

  ThreadPool team;
  AlignedBuffer<std::byte> arena;
  std::vector<AlignedBuffer<std::byte>> scratch;  // one per thread
};

// Who computes a step, and in how many tasks.
struct StepTeam {
  ThreadPool& pool;
  std::vector<AlignedBuffer<std::byte>>& scratch;  // one per thread of the pool
  int tasks;
  int threads;  // of the pool, at most
};

// Computes one step in an arena and a scratch that fit the plan. `input` is the network's (NCHW).
void run_step(const PlanStep& step, const Kernels& kernels, const float* input, std::byte* arena,
              const StepTeam& team) noexcept;

// The same by a workspace's own threads.
void run_step(const PlanStep& step, const Kernels& kernels, const float* input, Workspace& workspace) noexcept;

// Copies the last step's values, rows of classes, out of the arena.
void copy_logits(const Plan& plan, const Workspace& workspace, std::span<float> logits) noexcept;

}  // namespace resnet
