// Threads that help engines of one thread: answers are those of one thread, to the bit.
#include "resnet/crew.h"

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "engine/test_pictures.h"
#include "program/random_weights.h"
#include "resnet/engine.h"
#include "resnet/error.h"

namespace resnet {
namespace {

std::vector<float> run(const Engine& engine, const FeatureShape& shape) {
  std::vector<float> logits(static_cast<std::size_t>(shape.batch * engine.graph().architecture.classes));
  engine.run(random_pictures(shape), shape, logits);
  return logits;
}

// With fewer blocks.
Graph small_network(const char* name) {
  Architecture a = find_architecture(name);
  a.depths.assign(a.depths.size(), 1);
  a.classes = 10;
  return expand(a);
}

EngineOptions helped_by(const std::shared_ptr<Crew>& crew) {
  EngineOptions options;
  options.threads = 1;
  options.sessions = 4;
  options.crew = crew;
  return options;
}

// Whatever the plan is made of: direct products, Winograd's and Strassen's algorithms, pools, pictures of odd sizes.
TEST(PropertyCrew, AnswersAreThoseOfOneThread) {
  std::mt19937 random(1);
  std::atomic<int> free = 0;
  const auto crew = std::make_shared<Crew>(4, [&] { return free.load(); });
  EXPECT_EQ(crew->helpers(), 4);
  for (const char* name : {"resnet20", "resnet18", "resnet50", "resnet50d", "resnext50_32x4d"}) {
    const Graph graph = small_network(name);
    const StateDict weights = random_weights(graph, 1);
    for (const Precision precision : {Precision::kFp32, Precision::kBf16}) {
      EngineOptions options = helped_by(crew);
      options.precision = precision;
      EngineOptions own = options;
      own.crew = nullptr;
      for (const FeatureShape& shape : {FeatureShape{1, 3, 128, 128}, FeatureShape{2, 3, 45, 37}}) {
        try {
          const Engine alone(graph, weights, own);
          const Engine helped(graph, weights, options);
          const std::vector<float> expected = run(alone, shape);
          for (const int helpers : {0, 1, 2, 4, 9}) {
            free = helpers;
            ASSERT_EQ(run(helped, shape), expected) << name << ", " << helpers << " helpers";
          }
        } catch (const Error& error) {  // no bf16 on this processor
          ASSERT_EQ(error.code(), ErrorCode::kUnsupported) << error.what();
        }
      }
    }
  }
}

// Runs of two engines on several threads share the helpers, whose number changes all the time.
TEST(ConcurrencyCrew, ManyRunsShareIt) {
  std::atomic<int> asked = 0;
  const auto crew = std::make_shared<Crew>(2, [&] { return ++asked % 4; });
  const Graph graph = small_network("resnet18");
  const Graph other_graph = small_network("resnet50");
  const Engine engine(graph, random_weights(graph, 1), helped_by(crew));
  const Engine other(other_graph, random_weights(other_graph, 1), helped_by(crew));
  EngineOptions alone;
  alone.threads = 1;
  const FeatureShape shape{1, 3, 32, 32};
  const std::vector<float> expected = run(Engine(graph, random_weights(graph, 1), alone), shape);
  const std::vector<float> other_expected = run(Engine(other_graph, random_weights(other_graph, 1), alone), shape);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&, i] {
      for (int round = 0; round < 3; ++round) {
        const bool first = (i + round) % 2 == 0;
        if (run(first ? engine : other, shape) != (first ? expected : other_expected)) ++wrong;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(asked, 0);
}

TEST(CrewTest, RefusesWhatItIsNotFor) {
  const auto code_of = [](auto work) {
    try {
      work();
    } catch (const Error& error) {
      return static_cast<int>(error.code());
    }
    return -1;
  };
  const int invalid = static_cast<int>(ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([] { Crew(0, [] { return 1; }); }), invalid);
  EXPECT_EQ(code_of([] { Crew(1024, [] { return 1; }); }), invalid);
  const Graph graph = small_network("resnet20");
  EngineOptions options = helped_by(std::make_shared<Crew>(1, [] { return 1; }));
  options.threads = 2;
  EXPECT_EQ(code_of([&] { Engine(graph, random_weights(graph, 1), options); }), invalid);
}

}  // namespace
}  // namespace resnet
