#include "dataset/parallel_reader.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>

namespace resnet {
namespace {

// Items named "0", "1", ...; throws where it ends if `broken`.
class CountingSource : public Source {
 public:
  explicit CountingSource(int count, bool broken = false) : count_(count), broken_(broken) {}
  std::optional<Item> next() override {
    if (taken == count_) {
      if (broken_) throw Error(ErrorCode::kFormat, "source", "broken");
      return std::nullopt;
    }
    Item item;
    item.path = std::to_string(taken++);
    return item;
  }

  std::atomic<int> taken = 0;

 private:
  int count_;
  bool broken_;
};

int number(const Item& item) {
  const int value = std::stoi(item.path);
  if (value % 7 == 6) throw Error(ErrorCode::kFormat, item.path, "bad");
  std::this_thread::sleep_for(std::chrono::microseconds(value % 3 * 50));  // so that they overtake each other
  return value;
}

TEST(ConcurrencyParallelReaderTest, KeepsTheOrder) {
  for (const int threads : {1, 2, 5}) {
    CountingSource source(200);
    ParallelReader<int> reader(source, number, threads, 8);
    for (int i = 0; i < 200; ++i) {
      const auto result = reader.next();
      ASSERT_TRUE(result);
      EXPECT_EQ(result->path, std::to_string(i));
      EXPECT_EQ(result->value.has_value(), i % 7 != 6);
      EXPECT_EQ(result->error.has_value(), i % 7 == 6);
    }
    EXPECT_FALSE(reader.next());
  }
}

TEST(ConcurrencyParallelReaderTest, HoldsAWindowOnly) {
  CountingSource source(1000);
  ParallelReader<int> reader(source, number, 3, 4);
  for (int i = 0; i < 100; ++i) {
    reader.next();
    EXPECT_LE(source.taken, i + 1 + 4);
  }
}

TEST(ConcurrencyParallelReaderTest, EndsEarly) {
  CountingSource source(1000);
  ParallelReader<int> reader(source, number, 3, 4);
  reader.next();
}

TEST(ConcurrencyParallelReaderTest, PassesOnWhatTheSourceThrows) {
  CountingSource source(5, true);
  ParallelReader<int> reader(source, number, 2, 4);
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(reader.next()->value);
  EXPECT_THROW(reader.next(), Error);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)  // they need address space of their own
TEST(ParallelReaderTest, DoesWithTheThreadsThatItGets) {
  const auto read_all = [] {
    rlimit limit{};
    limit.rlim_cur = limit.rlim_max = 0;
    std::ifstream("/proc/self/statm") >> limit.rlim_cur;  // pages in use
    limit.rlim_cur = limit.rlim_cur * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + (100U << 20);
    limit.rlim_max = limit.rlim_cur;
    ::setrlimit(RLIMIT_AS, &limit);  // room for the stacks of some threads
    CountingSource source(5);
    ParallelReader<int> reader(source, number, 100, 4);
    int count = 0;
    while (reader.next()) ++count;
    std::_Exit(count);
  };
  EXPECT_EXIT(read_all(), ::testing::ExitedWithCode(5), "");
}
#endif

TEST(ConcurrencyParallelReaderTest, PassesOnWhatIsNotTheItemsFault) {
  CountingSource source(5);
  ParallelReader<int> reader(
      source, [](const Item&) -> int { throw std::bad_alloc(); }, 2, 4);
  EXPECT_THROW(reader.next(), std::bad_alloc);
}

}  // namespace
}  // namespace resnet
