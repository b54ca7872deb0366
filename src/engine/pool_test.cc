#include "engine/pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <vector>

namespace resnet {
namespace {

using std::chrono::milliseconds;

struct Thing {
  explicit Thing(int number) : number(number) {}
  int number;
};

TEST(PoolTest, LendsWhatCameBack) {
  Pool<Thing> pool(2, std::chrono::seconds(60));
  const Thing* first = nullptr;
  {
    Pool<Thing>::Lease lease(pool, 1, 7);
    EXPECT_EQ((*lease).number, 7);
    first = &*lease;
    EXPECT_EQ(pool.idle(), 0U);
  }
  EXPECT_EQ(pool.idle(), 1U);
  Pool<Thing>::Lease lease(pool, 2, 8);
  EXPECT_EQ(&lease[0], first);
  EXPECT_EQ(lease[0].number, 7);
  EXPECT_EQ(lease[1].number, 8);
}

TEST(PoolTest, DestroysWhatNobodyNeeds) {
  Pool<Thing> pool(3, milliseconds(20));
  { Pool<Thing>::Lease lease(pool, 3, 1); }
  EXPECT_EQ(pool.idle(), 3U);
  std::this_thread::sleep_for(milliseconds(30));
  { Pool<Thing>::Lease lease(pool, 1, 2); }
  EXPECT_EQ(pool.idle(), 1U);
  pool.clear();
  EXPECT_EQ(pool.idle(), 0U);
}

TEST(PoolTest, IsAsBeforeWhereMakingFails) {
  struct Refused {
    explicit Refused(bool refuse) {
      if (refuse) throw std::runtime_error("no");
    }
  };
  Pool<Refused> pool(1, std::chrono::seconds(60));
  EXPECT_THROW(Pool<Refused>::Lease(pool, 1, true), std::runtime_error);
  const Pool<Refused>::Lease lease(pool, 1, false);  // does not wait
}

TEST(ConcurrencyPool, LendsNoMoreThanItsLimit) {
  Pool<Thing> pool(3, milliseconds(0));
  std::atomic<int> lent = 0, most = 0;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 6; ++caller) {
    callers.emplace_back([&, caller] {
      const int count = 1 + caller % 3;
      for (int i = 0; i < 200; ++i) {
        Pool<Thing>::Lease lease(pool, count, caller);
        const int now = lent += count;
        for (int seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
        for (int k = 0; k < count; ++k) ++lease[static_cast<std::size_t>(k)].number;
        lent -= count;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(lent, 0);
  EXPECT_LE(most, 3);
  EXPECT_GE(most, 1);
}

// One who needs all is not overtaken for ever by those who need one.
TEST(ConcurrencyPool, ServesInOrder) {
  Pool<Thing> pool(2, std::chrono::seconds(60));
  std::atomic<bool> served = false;
  std::vector<std::thread> small;
  for (int i = 0; i < 3; ++i) {
    small.emplace_back([&] {
      while (!served) Pool<Thing>::Lease lease(pool, 1, 0);
    });
  }
  std::thread large([&] {
    const Pool<Thing>::Lease lease(pool, 2, 0);
    served = true;
  });
  large.join();
  for (std::thread& caller : small) caller.join();
  EXPECT_TRUE(served);
}

}  // namespace
}  // namespace resnet
