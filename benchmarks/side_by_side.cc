// How much more two threads get from one engine of one thread than one thread does: near 2 where calls share nothing.
//
//   cmake --build --preset release --target side_by_side && build/release/side_by_side
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include "resnet/engine.h"
#include "weights/initialize.h"

namespace {

// Images per second that `threads` threads get together, each calling the engine in a loop for a second.
double images_per_second(const resnet::Engine& engine, int threads) {
  using Clock = std::chrono::steady_clock;
  const resnet::FeatureShape shape{1, 3, 224, 224};
  const std::vector<float> input(static_cast<std::size_t>(shape.count()), 0.5F);
  std::atomic<int> images = 0;
  const auto start = Clock::now();
  std::vector<std::thread> callers;
  callers.reserve(static_cast<std::size_t>(threads));
  for (int i = 0; i < threads; ++i) {
    callers.emplace_back([&] {
      std::vector<float> logits(1000);
      while (Clock::now() - start < std::chrono::seconds(1)) {
        engine.run(input, shape, logits);
        ++images;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  return images / std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

int main() {
  const resnet::Graph graph = resnet::expand(resnet::find_architecture("resnet50"));
  const resnet::Engine engine(graph, resnet::initial_weights(graph, 0), {.threads = 1});
  images_per_second(engine, 2);  // packs weights, makes workspaces
  constexpr int kTurns = 7;
  std::vector<double> ratios;
  ratios.reserve(kTurns);
  for (int turn = 0; turn < kTurns; ++turn) {
    const double one = images_per_second(engine, 1);
    const double two = images_per_second(engine, 2);
    ratios.push_back(two / one);
    std::printf("one thread %.1f pictures/s, two %.1f, ratio %.2f\n", one, two, two / one);
  }
  std::sort(ratios.begin(), ratios.end());
  std::printf("median ratio %.2f\n", ratios[ratios.size() / 2]);
}
