// Batches cut into parts that run side by side.
#include <gtest/gtest.h>

#include "engine/test_pictures.h"
#include "program/random_weights.h"
#include "resnet/engine.h"
#include "resnet/error.h"

namespace resnet {
namespace {

// The answers are those of the parts alone, bit for bit.
TEST(PropertyStreams, GiveTheAnswersOfTheirParts) {
  for (const char* name : {"resnet20", "plain20"}) {
    const Graph graph = expand(find_architecture(name));
    const Engine one(graph, random_weights(graph, 1), {.threads = 2});
    const Engine two(graph, random_weights(graph, 1), {.threads = 5, .streams = 2});
    const std::vector<float> input = random_pictures({5, 3, 20, 24});
    const std::span<const float> all(input);
    std::vector<float> streamed(50), expected(50);
    for (const std::size_t first : {2U, 1U, 0U}) {  // pictures of the first part; of one picture there is no other
      const std::size_t second = first < 2 ? 1 : 3;
      const auto picture = input.size() / 5;
      const auto shape = [](std::size_t batch) { return FeatureShape{static_cast<std::int64_t>(batch), 3, 20, 24}; };
      if (first > 0) one.run(all.first(first * picture), shape(first), std::span(expected).first(first * 10));
      one.run(all.subspan(first * picture, second * picture), shape(second),
              std::span(expected).subspan(first * 10, second * 10));
      const std::size_t batch = first + second;
      two.run(all.first(batch * picture), shape(batch), std::span(streamed).first(batch * 10));
      for (std::size_t i = 0; i < batch * 10; ++i) ASSERT_EQ(streamed[i], expected[i]) << name << ", " << batch;
    }
  }
}

TEST(StreamsTest, RefuseWhatDoesNotFit) {
  const Graph graph = expand(find_architecture("resnet20"));
  const StateDict weights = random_weights(graph, 1);
  const auto code_of = [](auto work) {
    try {
      work();
    } catch (const Error& error) {
      return static_cast<int>(error.code());
    }
    return -1;
  };
  const int invalid = static_cast<int>(ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { Engine(graph, weights, {.threads = 2, .streams = 0}); }), invalid);
  EXPECT_EQ(code_of([&] { Engine(graph, weights, {.threads = 2, .streams = 3}); }), invalid);
  const Engine two(graph, weights, {.threads = 2, .streams = 2});
  const std::vector<float> input(3 * 32 * 32);
  std::vector<float> logits(10);
  EXPECT_EQ(code_of([&] { two.run(input, {2, 3, 32, 32}, logits); }), static_cast<int>(ErrorCode::kMismatch));
  EXPECT_EQ(code_of([&] { two.run(input, {2, 3, 32, -1}, logits); }), invalid);
}

}  // namespace
}  // namespace resnet
