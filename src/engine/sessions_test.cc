// Plans that serve smaller batches, and runs that wait for each other.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "engine/plans.h"
#include "engine/test_pictures.h"
#include "program/formats.h"
#include "program/random_weights.h"
#include "resnet/engine.h"
#include "resnet/error.h"

namespace resnet {
namespace {

std::vector<float> run(const Engine& engine, const FeatureShape& shape) {
  const std::vector<float> input = random_pictures(shape);
  std::vector<float> logits(static_cast<std::size_t>(shape.batch * engine.graph().architecture.classes));
  engine.run(input, shape, logits);
  return logits;
}

// Relative to the largest.
double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0, difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    largest = std::max<double>(largest, std::abs(a[i]));
    difference = std::max<double>(difference, std::abs(a[i] - b[i]));
  }
  return difference / largest;
}

Graph small_network(const char* name) {
  Architecture a = find_architecture(name);
  a.depths.assign(a.depths.size(), 1);
  a.classes = 10;
  return expand(a);
}

TEST(PropertySessions, APlanServesSmallerBatches) {
  for (const char* name : {"resnet20", "resnet50", "resnet50d", "resnext50_32x4d"}) {
    const Graph graph = small_network(name);
    const StateDict weights = random_weights(graph, 1);
    for (const Algorithms algorithms : {Algorithms::kAuto, Algorithms::kDirect, Algorithms::kWinograd}) {
      const EngineOptions options = {.threads = 2, .algorithms = algorithms};
      const Engine served(graph, weights, options);
      served.prepare({9, 3, 40, 48});
      const std::int64_t packed = served.weight_bytes();
      EXPECT_GT(packed, 0);
      for (const std::int64_t batch : {9, 1, 4, 8}) {
        const FeatureShape shape{batch, 3, 40, 48};
        const Engine own(graph, weights, {.threads = 2, .algorithms = Algorithms::kDirect});
        EXPECT_LT(difference(run(own, shape), run(served, shape)), 1e-4) << name << ", " << batch;
      }
      EXPECT_EQ(served.weight_bytes(), packed) << "a smaller batch packed weights of its own";
    }
  }
}

TEST(SessionsTest, APreparedSizeHasAPlanOfItsOwn) {
  const Graph graph = small_network("resnet50");
  const StateDict weights = random_weights(graph, 1);
  const Engine alone(graph, weights, {.threads = 2});
  const Engine both(graph, weights, {.threads = 2});
  both.prepare({9, 3, 40, 48});
  both.prepare({1, 3, 40, 48});
  EXPECT_EQ(run(both, {1, 3, 40, 48}), run(alone, {1, 3, 40, 48}));
}

TEST(SessionsTest, RefuseWhatIsNoNumberOfSessions) {
  const Graph graph = small_network("resnet20");
  const StateDict weights = random_weights(graph, 1);
  for (const int sessions : {-1, 65'536}) {
    try {
      const Engine engine(graph, weights, {.threads = 1, .sessions = sessions});
      ADD_FAILURE() << sessions;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_EQ(error.where(), "sessions");
    }
  }
}

TEST(SessionsTest, GiveTheirMemoryBack) {
  const Graph graph = small_network("resnet20");
  const Engine engine(graph, random_weights(graph, 1), {.threads = 2});
  const std::vector<float> before = run(engine, {2, 3, 32, 32});
  engine.release_memory();
  EXPECT_EQ(run(engine, {2, 3, 32, 32}), before);
}

TEST(SessionsTest, AnErrorLeavesThePlanToTheNextCaller) {
  const Graph graph = small_network("resnet20");
  const StateDict weights = random_weights(graph, 1);
  const PlanBasis basis =
      plan_basis(give_formats(lower(graph, Lowering::kInference), weights, Precision::kFp32), weights, best_kernels());
  Plans plans(basis, 1);
  const FeatureShape shape{1, 3, 16, 16};
  EXPECT_THROW(plans.find(shape, []() -> Plan { throw std::bad_alloc(); }), std::bad_alloc);
  const auto plan = plans.find(shape, [&] { return outline_plan(basis, shape, {}, 1); });
  EXPECT_EQ(plans.find(shape, []() -> Plan { throw std::bad_alloc(); }), plan);
}

// Runs of all kinds at once, fewer sessions than callers: run with ThreadSanitizer, this holds the promise of engine.h.
TEST(ConcurrencySessions, TakeTurns) {
  const Graph graph = small_network("resnet20");
  const StateDict weights = random_weights(graph, 1);
  const EngineOptions options = {.threads = 2, .algorithms = Algorithms::kDirect, .streams = 2, .sessions = 2};
  const Engine engine(graph, weights, options);
  std::vector<std::vector<float>> expected;
  for (const std::int64_t batch : {1, 2, 3, 5})
    expected.push_back(run(Engine(graph, weights, options), {batch, 3, 16, 16}));
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 5; ++caller) {
    callers.emplace_back([&, caller] {
      for (int i = 0; i < 8; ++i) {
        const auto which = static_cast<std::size_t>(caller + i) % expected.size();
        const std::int64_t batch = std::array{1, 2, 3, 5}[which];
        if (i == 3) engine.prepare({batch, 3, 16, 16});
        if (i == 5) engine.release_memory();
        EXPECT_GE(engine.weight_bytes(), 0);
        EXPECT_LT(difference(expected[which], run(engine, {batch, 3, 16, 16})), 1e-5);
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
}

// Measuring one size leaves a run at a size that is known alone.
TEST(ConcurrencySessions, RunWhileOthersAreMeasured) {
  const std::string cache = testing::TempDir() + "/resnet-sessions-test";
  std::filesystem::remove_all(cache);
  setenv("XDG_CACHE_HOME", cache.c_str(), 1);
  const Graph graph = small_network("resnet20");
  const Engine engine(graph, random_weights(graph, 1), {.threads = 1, .tune = true, .sessions = 3});
  const std::vector<float> expected = run(engine, {1, 3, 8, 8});
  std::thread measuring([&] { run(engine, {1, 3, 24, 24}); });
  std::thread measuring_too([&] { run(engine, {1, 3, 24, 24}); });
  for (int i = 0; i < 5; ++i) EXPECT_EQ(run(engine, {1, 3, 8, 8}), expected);
  measuring.join();
  measuring_too.join();
  unsetenv("XDG_CACHE_HOME");
  std::filesystem::remove_all(cache);
}

}  // namespace
}  // namespace resnet
