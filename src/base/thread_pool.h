// A team of threads that works through short pieces of work together, many times a millisecond.
//
// The threads live as long as the pool. Between two pieces of work they spin for a moment, give way to others, and then
// sleep. Tasks are claimed one by one from a counter, so a thread that is late or descheduled holds up nobody but the
// task that it has begun.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>
#include <thread>
#include <type_traits>
#include <vector>

namespace resnet {

// Processors that this process may run on (its affinity).
int bound_processors() noexcept;

// Processors that this process may use: those that it may run on, or fewer where its control groups give it less time.
int available_processors() noexcept;

// The same of `bound` processors and a quota (cpu_quota.h), rounded up.
int processors_of(int bound, std::optional<double> quota) noexcept;

// One caller at a time; different pools are independent.
class ThreadPool {
 public:
  // `threads` counts the caller. Throws kLimit where the system refuses to start a thread.
  explicit ThreadPool(int threads);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  int threads() const noexcept { return static_cast<int>(workers_.size()) + 1; }

  // Calls work(task, worker) once for every task in [0, tasks), and returns when all are done. `worker` is in
  // [0, threads()), and a worker does one task at a time; the caller is worker 0. `work` must not throw.
  template <typename Work>
  void run(int tasks, Work&& work) noexcept {
    run_on(threads(), tasks, work);
  }

  // The same with at most `threads` of them at work, the caller included.
  template <typename Work>
  void run_on(int threads, int tasks, Work&& work) noexcept {
    using Type = std::remove_reference_t<Work>;
    const auto call = [](void* context, int task, int worker) { (*static_cast<Type*>(context))(task, worker); };
    run_erased(threads, tasks, call, const_cast<std::remove_const_t<Type>*>(&work));
  }

  // How long the caller of the last run had no task left and waited for the others.
  std::chrono::nanoseconds waited() const noexcept { return waited_; }

 private:
  using Call = void (*)(void* context, int task, int worker);
  void run_erased(int threads, int tasks, Call call, void* context) noexcept;
  void work(int worker, std::uint64_t job) noexcept;
  void serve(int worker) noexcept;
  void wait_for_work(std::uint64_t passed) noexcept;
  void stop() noexcept;

  // The job at hand. It is written only while no task of the previous one is left.
  std::atomic<Call> call_ = nullptr;
  std::atomic<void*> context_ = nullptr;
  std::atomic<int> tasks_ = 0;
  std::atomic<int> seats_ = 0;  // for threads beside the caller

  // The job's number in the upper half, tasks that nobody has claimed in the lower: who lowers it has claimed a task,
  // and knows that the job was still the one it saw.
  alignas(64) std::atomic<std::uint64_t> unclaimed_ = 0;
  alignas(64) std::atomic<int> unfinished_ = 0;
  alignas(64) std::atomic<std::uint32_t> wake_ = 0;  // changes when there is something new to look at
  std::atomic<bool> stop_ = false;
  std::chrono::nanoseconds waited_{0};  // for the caller alone
  std::vector<std::thread> workers_;
};

}  // namespace resnet
