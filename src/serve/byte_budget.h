// A number of bytes that many hold parts of.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace resnet::serve {

// All functions may be called from several threads at the same time.
class ByteBudget {
 public:
  explicit ByteBudget(std::int64_t limit) : limit_(limit) {}

  bool take(std::int64_t bytes) noexcept {
    std::int64_t used = used_.load(std::memory_order_relaxed);
    do {
      if (bytes > limit_ - used) return false;
    } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
    return true;
  }
  void give_back(std::int64_t bytes) noexcept { used_.fetch_sub(bytes, std::memory_order_relaxed); }

  std::int64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }
  std::int64_t limit() const noexcept { return limit_; }

 private:
  const std::int64_t limit_;
  std::atomic<std::int64_t> used_ = 0;
};

// What one holds of a budget, which must outlive it; given back at the end. Empty: of none.
class ByteLease {
 public:
  ByteLease() = default;
  explicit ByteLease(ByteBudget& budget) : budget_(&budget) {}
  ByteLease(ByteLease&& other) noexcept
      : budget_(std::exchange(other.budget_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  ByteLease& operator=(ByteLease&& other) noexcept {
    release();
    budget_ = std::exchange(other.budget_, nullptr);
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }
  ~ByteLease() { release(); }

  // To `bytes` in all; false, and nothing taken, where the budget has no more. A lease of none takes what it likes.
  bool grow_to(std::int64_t bytes) noexcept {
    if (bytes <= bytes_) return true;
    if (budget_ != nullptr && !budget_->take(bytes - bytes_)) return false;
    bytes_ = bytes;
    return true;
  }

  std::int64_t bytes() const noexcept { return bytes_; }

 private:
  void release() noexcept {
    if (budget_ != nullptr) budget_->give_back(bytes_);
    bytes_ = 0;
  }

  ByteBudget* budget_ = nullptr;
  std::int64_t bytes_ = 0;
};

}  // namespace resnet::serve
