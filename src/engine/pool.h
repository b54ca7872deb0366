// A limited number of things that are costly to make, such as workspaces: made when first needed, lent to one caller at
// a time, kept for the next one, and destroyed when nobody has needed them for a while.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <list>
#include <mutex>

namespace resnet {

// All functions may be called from several threads at the same time.
template <typename Thing>
class Pool {
  using Clock = std::chrono::steady_clock;

  struct Entry {
    template <typename... Arguments>
    explicit Entry(const Arguments&... arguments) : thing(arguments...) {}
    Thing thing;
    Clock::time_point used;
  };

 public:
  // At most `limit` things are lent at a time. What has been free for longer than `patience` is destroyed when
  // something comes back.
  Pool(int limit, std::chrono::milliseconds patience) : available_(limit), patience_(patience) {}

  // Things of a caller's own, until this is destroyed.
  class Lease {
   public:
    // `count` things, 1 to the limit, all at once: callers who need several never wait for each other in a circle.
    // Waits while too few are left; callers are served in the order in which they came. New things are made from
    // `arguments`; what that throws goes to the caller.
    template <typename... Arguments>
    Lease(Pool& pool, int count, const Arguments&... arguments) : pool_(pool), count_(count) {
      pool_.take(count, own_);
      try {
        while (static_cast<int>(own_.size()) < count) own_.emplace_back(arguments...);
      } catch (...) {
        pool_.give_back(count_, own_);
        throw;
      }
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() { pool_.give_back(count_, own_); }

    Thing& operator*() noexcept { return own_.front().thing; }
    Thing& operator[](std::size_t index) noexcept {
      return std::next(own_.begin(), static_cast<std::ptrdiff_t>(index))->thing;
    }

   private:
    Pool& pool_;
    const int count_;
    std::list<Entry> own_;
  };

  // Destroys what is free.
  void clear() {
    std::list<Entry> unused;  // destroyed without the lock
    const std::lock_guard lock(mutex_);
    unused.swap(free_);
  }

  // How many things are free.
  std::size_t idle() {
    const std::lock_guard lock(mutex_);
    return free_.size();
  }

 private:
  // Waits for the caller's turn; moves what is there of `count` things to `own`.
  void take(int count, std::list<Entry>& own) {
    std::unique_lock lock(mutex_);
    const std::uint64_t ticket = next_ticket_++;
    turn_.wait(lock, [&] { return serving_ == ticket && available_ >= count; });
    available_ -= count;
    ++serving_;
    for (int i = 0; i < count && !free_.empty(); ++i) own.splice(own.end(), free_, free_.begin());
    turn_.notify_all();
  }

  // What was used last comes first, so that what is needed no more is found at the end.
  void give_back(int count, std::list<Entry>& own) {
    std::list<Entry> expired;  // destroyed without the lock
    const auto now = Clock::now();
    {
      const std::lock_guard lock(mutex_);
      for (Entry& entry : own) entry.used = now;
      free_.splice(free_.begin(), own);
      while (!free_.empty() && now - free_.back().used > patience_) expired.splice(expired.end(), free_, --free_.end());
      available_ += count;
    }
    turn_.notify_all();
  }

  std::mutex mutex_;  // for all that follows; held for moments
  std::condition_variable turn_;
  int available_;
  std::uint64_t next_ticket_ = 0;
  std::uint64_t serving_ = 0;  // whose turn it is
  std::list<Entry> free_;
  const std::chrono::milliseconds patience_;
};

}  // namespace resnet
