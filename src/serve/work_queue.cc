#include "serve/work_queue.h"

#include <utility>

namespace resnet::serve {

std::string_view name(Refusal refusal) noexcept {
  switch (refusal) {
    case Refusal::kQueueFull: return "queue_full";
    case Refusal::kBytes: return "bytes";
    case Refusal::kDeadline: return "deadline";
    case Refusal::kGone: return "client_gone";
    case Refusal::kStopping: return "stopping";
  }
  return "";
}

WorkQueue::WorkQueue(int workers, std::size_t limit, std::atomic<int>& working) : limit_(limit), working_(working) {
  threads_.reserve(static_cast<std::size_t>(workers));
  for (int i = 0; i < workers; ++i) threads_.emplace_back([this] { work(); });
}

WorkQueue::~WorkQueue() {
  std::map<std::pair<int, std::uint64_t>, Job> left;
  {
    const std::lock_guard lock(mutex_);
    closed_ = ending_ = true;
    left.swap(jobs_);
  }
  there_.notify_all();
  for (auto& [order, job] : left) job.refuse(Refusal::kStopping);
  for (std::thread& thread : threads_) thread.join();
}

std::optional<Refusal> WorkQueue::push(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return Refusal::kStopping;
    if (jobs_.size() >= limit_) return Refusal::kQueueFull;
    const std::pair<int, std::uint64_t> order(job.priority, pushed_++);
    jobs_.emplace(order, std::move(job));
  }
  there_.notify_one();
  return std::nullopt;
}

void WorkQueue::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
}

std::size_t WorkQueue::waiting() const {
  const std::lock_guard lock(mutex_);
  return jobs_.size();
}

void WorkQueue::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    there_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
    if (ending_) return;
    Job job = std::move(jobs_.begin()->second);
    jobs_.erase(jobs_.begin());
    ++working_;
    lock.unlock();
    if (job.gone && job.gone()) {
      job.refuse(Refusal::kGone);
    } else if (job.deadline && Clock::now() > *job.deadline) {
      job.refuse(Refusal::kDeadline);
    } else {
      job.run();
    }
    job = Job();  // what it holds is given back without the lock
    lock.lock();
    --working_;
  }
}

}  // namespace resnet::serve
