#include "serve/work_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "serve/byte_budget.h"

namespace resnet::serve {
namespace {

// Holds the only worker until it is opened.
class Gate {
 public:
  Job job() {
    Job job;
    job.run = [this] {
      begun_.set_value();
      open_.get_future().wait();
    };
    job.refuse = [](Refusal) {};
    return job;
  }
  void wait_until_held() { begun_.get_future().wait(); }
  void open() { open_.set_value(); }

 private:
  std::promise<void> begun_;
  std::promise<void> open_;
};

TEST(WorkQueueTest, RefusesWhatItHasNoRoomFor) {
  std::atomic<int> working = 0;
  WorkQueue queue(1, 2, working);
  Gate gate;
  ASSERT_FALSE(queue.push(gate.job()));
  gate.wait_until_held();
  std::atomic<int> ran = 0;
  const auto job = [&] {
    Job job;
    job.run = [&] { ++ran; };
    job.refuse = [](Refusal) {};
    return job;
  };
  EXPECT_FALSE(queue.push(job()));
  EXPECT_FALSE(queue.push(job()));
  EXPECT_EQ(queue.push(job()), Refusal::kQueueFull);
  EXPECT_EQ(queue.waiting(), 2U);
  EXPECT_EQ(queue.working(), 1);
  queue.close();
  EXPECT_EQ(queue.push(job()), Refusal::kStopping);
  gate.open();
  while (queue.waiting() > 0 || queue.working() > 0) std::this_thread::yield();
  EXPECT_EQ(ran, 2);
}

TEST(WorkQueueTest, PrioritiesDeadlinesAndClientsThatHaveGone) {
  std::atomic<int> working = 0;
  WorkQueue queue(1, 10, working);
  Gate gate;
  ASSERT_FALSE(queue.push(gate.job()));
  gate.wait_until_held();
  std::mutex mutex;
  std::vector<std::string> seen;
  const auto note = [&](const std::string& text) {
    const std::lock_guard lock(mutex);
    seen.push_back(text);
  };
  const auto job = [&](const std::string& text, int priority) {
    Job job;
    job.priority = priority;
    job.run = [&note, text] { note(text); };
    job.refuse = [&note, text](Refusal refusal) { note(text + ": " + std::string(name(refusal))); };
    return job;
  };
  queue.push(job("b", 0));
  queue.push(job("c", 0));
  queue.push(job("d", 1));
  queue.push(job("a", -1));
  Job late = job("late", -3);
  late.deadline = Clock::now() - std::chrono::seconds(1);
  queue.push(std::move(late));
  Job gone = job("gone", -2);
  gone.gone = [] { return true; };
  queue.push(std::move(gone));
  gate.open();
  while (queue.waiting() > 0 || queue.working() > 0) std::this_thread::yield();
  EXPECT_EQ(seen, (std::vector<std::string>{"late: deadline", "gone: client_gone", "a", "b", "c", "d"}));
}

TEST(WorkQueueTest, WhatIsLeftAtTheEndIsRefused) {
  std::atomic<int> refused = 0;
  Gate gate;
  {
    std::atomic<int> working = 0;
    WorkQueue queue(1, 10, working);
    queue.push(gate.job());
    gate.wait_until_held();
    for (int i = 0; i < 3; ++i) {
      Job job;
      job.run = [] {};
      job.refuse = [&](Refusal refusal) { refused += refusal == Refusal::kStopping ? 1 : 0; };
      queue.push(std::move(job));
    }
    gate.open();
    while (queue.working() > 0 && queue.waiting() == 3) std::this_thread::yield();
  }
  EXPECT_LE(refused, 3);
}

TEST(ConcurrencyWorkQueue, EveryJobRunsOrIsRefusedOnce) {
  constexpr int kEach = 2000;
  std::atomic<int> ended = 0;
  int turned_away = 0;
  {
    std::atomic<int> working = 0;
    WorkQueue queue(3, 50, working);
    std::vector<std::future<int>> pushers;
    for (int p = 0; p < 3; ++p) {
      pushers.push_back(std::async(std::launch::async, [&, p] {
        int away = 0;
        for (int i = 0; i < kEach; ++i) {
          Job job;
          job.priority = i % 3 - p;
          job.gone = [i] { return i % 7 == 0; };
          job.run = [&] { ++ended; };
          job.refuse = [&](Refusal) { ++ended; };
          if (queue.push(std::move(job))) ++away;
        }
        return away;
      }));
    }
    for (auto& pusher : pushers) turned_away += pusher.get();
  }
  EXPECT_EQ(ended + turned_away, 3 * kEach);
}

TEST(ConcurrencyByteBudget, NeverGivesMoreThanItHas) {
  ByteBudget budget(1000);
  std::vector<std::future<void>> takers;
  for (int t = 0; t < 4; ++t) {
    takers.push_back(std::async(std::launch::async, [&] {
      for (int i = 0; i < 5000; ++i) {
        ByteLease lease(budget);
        if (lease.grow_to(100 + i % 300)) lease.grow_to(500);
        EXPECT_LE(budget.used(), 1000);
      }
    }));
  }
  for (auto& taker : takers) taker.get();
  EXPECT_EQ(budget.used(), 0);
}

TEST(ByteLeaseTest, GivesBackOnce) {
  ByteBudget budget(10);
  ByteLease first(budget);
  EXPECT_TRUE(first.grow_to(6));
  EXPECT_FALSE(ByteLease(budget).grow_to(5));
  ByteLease second = std::move(first);
  EXPECT_EQ(budget.used(), 6);
  second = ByteLease();
  EXPECT_EQ(budget.used(), 0);
  EXPECT_TRUE(ByteLease().grow_to(1'000'000));  // of none
}

}  // namespace
}  // namespace resnet::serve
