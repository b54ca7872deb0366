#include "train/measure.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <new>

#include "train/makers.h"

namespace resnet {
namespace {

using Clock = std::chrono::steady_clock;

// Stripes, of the class that weighs most.
Batch made_up_batch(const Task& task, std::int64_t images) {
  constexpr std::size_t kAlignment = 64;
  Batch batch;
  batch.size = static_cast<std::size_t>(images);
  batch.channels = static_cast<int>(task.preprocessing.mean.size());
  batch.height = task.preprocessing.height;
  batch.width = task.preprocessing.width;
  const std::size_t values = batch.size * static_cast<std::size_t>(batch.channels * batch.height * batch.width);
  const std::size_t bytes = (values * sizeof(float) + kAlignment - 1) / kAlignment * kAlignment;
  batch.pixels.reset(static_cast<float*>(std::aligned_alloc(kAlignment, bytes)), std::free);
  if (!batch.pixels) throw std::bad_alloc();
  constexpr std::size_t kPeriod = 7;
  constexpr float kStep = 0.15F;
  for (std::size_t i = 0; i < values; ++i) batch.pixels.get()[i] = kStep * static_cast<float>(i % kPeriod) - 0.5F;
  const std::vector<double>& weights = task.recipe.class_weights;
  const auto label = weights.empty() ? 0 : std::max_element(weights.begin(), weights.end()) - weights.begin();
  batch.labels.assign(batch.size, label);
  return batch;
}

}  // namespace

double measure_images_per_second(const Task& task) {
  constexpr std::int64_t kImages = 16;
  constexpr double kSeconds = 0.7;
  constexpr int kLeast = 2;  // batches
  const std::int64_t images = std::min(task.recipe.batch / task.worker.world_size, kImages);
  const std::unique_ptr<Processes> alone = make_processes({});
  const std::unique_ptr<Learner> learner = make_learner(task, *alone);
  const Batch batch = made_up_batch(task, images);
  const auto learn = [&] {
    learner->learn(batch, 0);
    learner->step(task.recipe.lr);
  };
  learn();  // memory is taken, libraries choose their ways
  const Clock::time_point begin = Clock::now();
  double seconds = 0;
  int batches = 0;
  while (batches < kLeast || seconds < kSeconds) {
    learn();
    ++batches;
    seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  }
  return static_cast<double>(images * batches) / seconds;
}

}  // namespace resnet
