#include "base/thread_pool.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <system_error>

#include "base/cpu_quota.h"
#include "base/error.h"
#include "base/processor.h"

namespace resnet {
namespace {

constexpr std::uint64_t kCount = 0xFFFFFFFFU;  // the lower half of unclaimed_

// Waits until done() holds, or for `limit`; first spinning, then letting other threads go first.
template <typename Done>
bool spin_until(Done done, std::chrono::nanoseconds limit) noexcept {
  constexpr auto kBusy = std::chrono::microseconds(20);
  const auto start = std::chrono::steady_clock::now();
  for (;;) {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      pause_processor();
    }
    const auto waited = std::chrono::steady_clock::now() - start;
    if (waited > limit) return done();
    if (waited > kBusy) std::this_thread::yield();
  }
}

}  // namespace

int bound_processors() noexcept {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) return std::max(1, CPU_COUNT(&set));
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

int processors_of(int bound, std::optional<double> quota) noexcept {
  if (!quota || *quota >= bound) return bound;
  return std::max(1, static_cast<int>(std::ceil(*quota)));
}

int available_processors() noexcept {
  static const std::optional<double> quota = []() noexcept -> std::optional<double> {
    try {
      return cpu_quota();
    } catch (...) {  // out of memory: whoever asks next will say so
      return std::nullopt;
    }
  }();
  return processors_of(bound_processors(), quota);
}

ThreadPool::ThreadPool(int threads) {
  try {
    for (int worker = 1; worker < threads; ++worker) {
      workers_.emplace_back([this, worker] { serve(worker); });
    }
  } catch (const std::system_error& error) {
    const std::size_t started = workers_.size() + 1;
    stop();
    fail(ErrorCode::kLimit, "threads", "the system gives {} of {}: {}", started, threads, error.what());
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() noexcept {
  stop_.store(true);
  wake_.fetch_add(1);
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_erased(int threads, int tasks, Call call, void* context) noexcept {
  const auto most = static_cast<int>(workers_.size());
  const int helpers = std::min(threads - 1, most);
  waited_ = {};
  if (helpers < 1 || tasks <= 1) {
    for (int task = 0; task < tasks; ++task) call(context, task, 0);
    return;
  }
  call_.store(call, std::memory_order_relaxed);
  context_.store(context, std::memory_order_relaxed);
  tasks_.store(tasks, std::memory_order_relaxed);
  unfinished_.store(tasks, std::memory_order_relaxed);
  seats_.store(helpers, std::memory_order_relaxed);
  const std::uint64_t number = (unclaimed_.load(std::memory_order_relaxed) >> 32) + 1;
  unclaimed_.store(number << 32 | static_cast<std::uint32_t>(tasks));
  wake_.fetch_add(1);
  if (helpers == most) {
    wake_.notify_all();
  } else {
    for (int i = 0; i < helpers; ++i) wake_.notify_one();
  }
  work(0, number);
  const auto finished = [this] { return unfinished_.load(std::memory_order_acquire) == 0; };
  if (finished()) return;
  const auto begin = std::chrono::steady_clock::now();
  while (!spin_until(finished, std::chrono::seconds(1))) {
  }
  waited_ = std::chrono::steady_clock::now() - begin;
}

// Works on the job of this number until no task of it is unclaimed.
void ThreadPool::work(int worker, std::uint64_t job) noexcept {
  std::uint64_t seen = unclaimed_.load(std::memory_order_acquire);
  while ((seen & kCount) != 0 && seen >> 32 == job) {
    const Call call = call_.load(std::memory_order_relaxed);
    void* context = context_.load(std::memory_order_relaxed);
    const int tasks = tasks_.load(std::memory_order_relaxed);
    if (!unclaimed_.compare_exchange_weak(seen, seen - 1, std::memory_order_acq_rel, std::memory_order_acquire)) {
      continue;
    }
    call(context, tasks - static_cast<int>(seen & kCount), worker);
    unfinished_.fetch_sub(1, std::memory_order_release);
    seen = unclaimed_.load(std::memory_order_acquire);
  }
}

void ThreadPool::serve(int worker) noexcept {
  std::uint64_t passed = 0;  // the number of the job that had no seat left
  while (!stop_.load(std::memory_order_relaxed)) {
    const std::uint64_t seen = unclaimed_.load(std::memory_order_acquire);
    const std::uint64_t job = seen >> 32;
    if ((seen & kCount) == 0 || job == passed) {
      wait_for_work(passed);
    } else if (seats_.fetch_sub(1, std::memory_order_relaxed) > 0) {
      work(worker, job);
    } else {
      passed = job;
    }
  }
}

void ThreadPool::wait_for_work(std::uint64_t passed) noexcept {
  const auto something = [this, passed] {
    const std::uint64_t seen = unclaimed_.load(std::memory_order_acquire);
    return ((seen & kCount) != 0 && seen >> 32 != passed) || stop_.load(std::memory_order_relaxed);
  };
  if (spin_until(something, std::chrono::microseconds(60))) return;
  const std::uint32_t wake = wake_.load();
  if (!something()) wake_.wait(wake);
}

}  // namespace resnet
