#include "base/thread_pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <numeric>

namespace resnet {
namespace {

TEST(ConcurrencyThreadPool, DoesEveryTaskOnce) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (int round = 0; round < 300; ++round) {
      std::vector<int> done(round % 37, 0);
      pool.run(static_cast<int>(done.size()), [&](int task, int worker) {
        EXPECT_LT(worker, threads);
        ++done[task];
      });
      EXPECT_EQ(done, std::vector<int>(done.size(), 1));
    }
  }
}

// Of a job that is for a few threads, no more work on it; the next one may have all.
TEST(ConcurrencyThreadPool, SomeOfTheThreads) {
  ThreadPool pool(5);
  for (int round = 0; round < 300; ++round) {
    const int threads = 1 + round % 6;
    std::vector<int> done(round % 37, 0);
    std::atomic<int> working = 0;
    std::atomic<int> most = 0;
    pool.run_on(threads, static_cast<int>(done.size()), [&](int task, int) {
      const int now = ++working;
      int seen = most;
      while (now > seen && !most.compare_exchange_weak(seen, now)) {
      }
      ++done[task];
      --working;
    });
    EXPECT_EQ(done, std::vector<int>(done.size(), 1));
    EXPECT_LE(most, threads);
  }
}

TEST(ConcurrencyThreadPool, KnowsHowLongItWaited) {
  constexpr std::chrono::milliseconds kWork(30);
  ThreadPool pool(2);
  std::atomic<bool> begun = false;
  pool.run(2, [&](int, int worker) {
    if (worker == 0) {
      while (!begun) std::this_thread::yield();
      return;
    }
    begun = true;
    std::this_thread::sleep_for(kWork);
  });
  EXPECT_GE(pool.waited(), kWork / 2);
  pool.run(1, [](int, int) {});
  EXPECT_EQ(pool.waited().count(), 0);
}

// Each job reads what all threads wrote in the job before.
TEST(ConcurrencyThreadPool, JobsSeeTheJobBefore) {
  constexpr int kTasks = 16;
  ThreadPool pool(4);
  std::vector<std::int64_t> now(kTasks, 1), next(kTasks);
  for (int round = 0; round < 10; ++round) {
    pool.run(kTasks, [&](int task, int) { next[task] = std::accumulate(now.begin(), now.end(), std::int64_t{0}); });
    now.swap(next);
  }
  EXPECT_EQ(now[3], std::int64_t{1} << 40);  // 16^10
}

TEST(ConcurrencyThreadPool, WorkersHaveTheirOwnMemory) {
  ThreadPool pool(3);
  std::vector<std::int64_t> sums(3);
  for (int round = 0; round < 50; ++round) {
    pool.run(40, [&](int task, int worker) { sums[worker] += task; });
  }
  EXPECT_EQ(sums[0] + sums[1] + sums[2], 50 * 39 * 40 / 2);
}

TEST(ConcurrencyThreadPool, SleepsBetweenJobs) {
  const auto used = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec + 1e-6 * (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
  };
  ThreadPool pool(4);
  int done = 0;
  pool.run(1, [&](int, int) { ++done; });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const double before = used();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LT(used() - before, 0.02);
  std::atomic<int> late = 0;
  pool.run(100, [&](int, int) { ++late; });
  EXPECT_EQ(late, 100);
}

}  // namespace
}  // namespace resnet
