// One queue of requests for all models, and the threads that work through it.
//
// The queue is bounded: what does not fit is refused at once, so that what is in it is answered soon. The bytes that
// requests hold are bounded beside it (ByteBudget).
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <vector>

namespace resnet::serve {

using Clock = std::chrono::steady_clock;

// Why a request got no answer of a model.
enum class Refusal {
  kQueueFull,
  kBytes,     // the server holds as many bytes of requests as it may
  kDeadline,  // passed before its turn
  kGone,      // the client left before its turn
  kStopping,
};
inline constexpr std::size_t kRefusals = 5;
std::string_view name(Refusal refusal) noexcept;  // "queue_full"

struct Job {
  int priority = 0;  // lower ones come first; those of one priority in their order
  std::optional<Clock::time_point> deadline;
  std::function<bool()> gone;           // may be empty
  std::function<void()> run;            // must not throw
  std::function<void(Refusal)> refuse;  // instead of run(), where its turn comes too late; must not throw
};

// All functions may be called from several threads at the same time.
class WorkQueue {
 public:
  // `limit`: of requests that wait, those at work not counted. `working` is kept to the number of these, and must
  // outlive the queue.
  WorkQueue(int workers, std::size_t limit, std::atomic<int>& working);
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  // Refuses what waits, and ends when the workers have ended what they are at.
  ~WorkQueue();

  // Nothing, or why the job was not taken; then neither run() nor refuse() is called.
  std::optional<Refusal> push(Job job);

  // Takes no more. What is in goes on.
  void close();

  std::size_t waiting() const;
  int working() const noexcept { return working_; }
  std::uint64_t limit() const noexcept { return limit_; }
  int workers() const noexcept { return static_cast<int>(threads_.size()); }

 private:
  void work();

  const std::size_t limit_;
  std::atomic<int>& working_;
  mutable std::mutex mutex_;  // for all that follows; held for moments
  std::condition_variable there_;
  std::map<std::pair<int, std::uint64_t>, Job> jobs_;  // by priority and order
  std::uint64_t pushed_ = 0;
  bool closed_ = false;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace resnet::serve
