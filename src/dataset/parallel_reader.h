// Reads the items of a source on several threads and hands out the results in the order of the source. No more than a
// window of results exists at a time, so a slow taker holds the readers back and memory stays bounded.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "dataset/dataset.h"
#include "resnet/error.h"

namespace resnet {

template <typename T>
class ParallelReader {
 public:
  struct Result {
    std::string path;
    std::string label;
    std::optional<T> value;      // absent where the item is bad
    std::optional<Error> error;  // and then this says why
  };

  // `read` makes a value of an item, on any of the threads; a resnet::Error it throws belongs to that item alone.
  // `source` must outlive the reader and is used by nobody else meanwhile. Fewer threads do where the system gives no
  // more; throws kLimit where it gives none.
  ParallelReader(Source& source, std::function<T(Item)> read, int threads, std::size_t window)
      : source_(source), read_(std::move(read)), capacity_(window) {
    workers_.reserve(static_cast<std::size_t>(threads));
    try {
      for (int i = 0; i < threads; ++i) workers_.emplace_back([this] { work(); });
    } catch (const std::system_error& error) {
      if (workers_.empty()) throw Error(ErrorCode::kLimit, "threads", error.what());
    }
  }
  ParallelReader(const ParallelReader&) = delete;
  ParallelReader& operator=(const ParallelReader&) = delete;

  // Items that nobody took are dropped.
  ~ParallelReader() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  // The next result, or nothing at the end. What the source throws comes out here, after the items before it. For one
  // thread.
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
    Result result;
    std::exception_ptr failure;  // not the item's fault: out of memory
    bool done = false;
  };

  // Takes the next item of the source and a place in the window; nothing when it is time to end.
  std::optional<std::pair<Item, Slot*>> take() {
    const std::lock_guard turn(source_mutex_);
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stop_ || ended_ || window_.size() < capacity_; });
      if (stop_ || ended_) return std::nullopt;
    }
    std::optional<Item> item;
    std::exception_ptr failure;
    try {
      item = source_.next();
    } catch (...) {
      failure = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    if (item) return std::pair(std::move(*item), &window_.emplace_back());
    ended_ = true;
    failure_ = failure;
    changed_.notify_all();
    return std::nullopt;
  }

  void work() {
    while (auto taken = take()) {
      auto& [item, slot] = *taken;
      Result result{item.path, item.label, {}, {}};
      std::exception_ptr failure;
      try {
        result.value = read_(std::move(item));
      } catch (const Error& error) {
        result.error = error;
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

  Source& source_;
  std::function<T(Item)> read_;
  std::size_t capacity_;
  std::mutex source_mutex_;  // held while an item is taken; before mutex_
  std::mutex mutex_;         // guards all below
  std::condition_variable changed_;
  std::deque<Slot> window_;
  bool ended_ = false;
  bool stop_ = false;
  std::exception_ptr failure_;  // of the source
  std::vector<std::thread> workers_;
};

}  // namespace resnet
