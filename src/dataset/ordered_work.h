// Work on several threads whose results come out in the order in which it was taken up. No more than a window of
// results exists at a time, so a slow taker holds the threads back and memory stays bounded.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "base/error.h"

namespace resnet {

template <typename Task, typename Result>
class OrderedWork {
 public:
  // `next_task` gives one task after another, nothing at the end; it runs on one thread at a time. `work` runs on any
  // of the threads. What both refer to must outlive this. Fewer threads do where the system gives no more; throws
  // kLimit where it gives none.
  OrderedWork(std::function<std::optional<Task>()> next_task, std::function<Result(Task)> work, int threads,
              std::size_t window)
      : next_task_(std::move(next_task)), work_(std::move(work)), capacity_(window) {
    try {
      for (int i = 0; i < threads; ++i) workers_.emplace_back([this] { run(); });
    } catch (const std::system_error& error) {
      if (workers_.empty()) fail(ErrorCode::kLimit, "threads", "{}", error.what());
    }
  }
  OrderedWork(const OrderedWork&) = delete;
  OrderedWork& operator=(const OrderedWork&) = delete;

  // Results that nobody took are dropped.
  ~OrderedWork() { stop(); }

  // The next result, or nothing at the end. What a task or the giver of tasks threw comes out here, after the results
  // before it. For one thread.
  std::optional<Result> next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return window_.empty() ? ended_ : window_.front().done; });
    if (window_.empty()) {
      if (failure_) std::rethrow_exception(failure_);
      return std::nullopt;
    }
    Slot slot = std::move(window_.front());
    window_.pop_front();
    lock.unlock();
    changed_.notify_all();
    if (slot.failure) std::rethrow_exception(slot.failure);
    return std::move(slot.result);
  }

 private:
  struct Slot {
    std::optional<Result> result;
    std::exception_ptr failure;
    bool done = false;
  };

  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  // The next task and a place in the window for its result; nothing when it is time to end.
  std::optional<std::pair<Task, Slot*>> take() {
    const std::lock_guard turn(task_mutex_);
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stop_ || ended_ || window_.size() < capacity_; });
      if (stop_ || ended_) return std::nullopt;
    }
    std::optional<Task> task;
    std::exception_ptr failure;
    try {
      task = next_task_();
    } catch (...) {
      failure = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    if (task) return std::pair<Task, Slot*>(std::move(*task), &window_.emplace_back());
    ended_ = true;
    failure_ = failure;
    changed_.notify_all();
    return std::nullopt;
  }

  void run() {
    while (auto taken = take()) {
      auto& [task, slot] = *taken;
      std::optional<Result> result;
      std::exception_ptr failure;
      try {
        result = work_(std::move(task));
      } catch (...) {
        failure = std::current_exception();
      }
      {
        const std::lock_guard lock(mutex_);
        slot->result = std::move(result);
        slot->failure = failure;
        slot->done = true;
      }
      changed_.notify_all();
    }
  }

  std::function<std::optional<Task>()> next_task_;
  std::function<Result(Task)> work_;
  std::size_t capacity_;
  std::mutex task_mutex_;  // held while a task is taken; before mutex_
  std::mutex mutex_;       // guards all below
  std::condition_variable changed_;
  std::deque<Slot> window_;
  bool ended_ = false;
  bool stop_ = false;
  std::exception_ptr failure_;  // of the giver of tasks
  std::vector<std::thread> workers_;
};

}  // namespace resnet
