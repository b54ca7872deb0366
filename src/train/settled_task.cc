#include "train/settled_task.h"

#include <algorithm>
#include <cmath>

#include "dataset/check_sizes.h"
#include "recipe/defaults.h"
#include "train/measure.h"

namespace resnet {
namespace {

void check_pictures(const Task& task) {
  const LoaderOptions loader = validation_loader(task);
  if (task.recipe.crop != Recipe::Crop::kResized) {
    check_sizes(task.data.train, task.preprocessing, loader.bad_images, loader.threads);
  }
  check_sizes(task.data.val, task.preprocessing, loader.bad_images, loader.threads);
}

// A schedule that was made for a number of epochs keeps that.
bool may_choose_epochs(const TrainOptions& options) {
  return std::find(options.open.begin(), options.open.end(), "epochs") != options.open.end() &&
         options.recipe.schedule != Recipe::Schedule::kStep;
}

void choose_epochs(Task& task) {
  Recipe& recipe = task.recipe;
  const auto pictures = static_cast<std::int64_t>(task.data.train.size());
  const std::int64_t passes = recipe.ema > 0 ? 2 : 1;
  const double speed = measure_images_per_second(task) * task.worker.world_size;
  const double seconds = epoch_seconds(pictures, passes * static_cast<std::int64_t>(task.data.val.size()), speed);
  const auto least = static_cast<std::int64_t>(std::floor(recipe.warmup_epochs)) + 1;
  recipe.epochs = std::max(fitting_epochs(seconds, !recipe.from.empty()), least);
  task.seconds = seconds * static_cast<double>(recipe.epochs);
}

}  // namespace

Task settled_task(const TrainOptions& options, Processes& processes) {
  Task task = make_task(options.recipe, options.worker, options.open);
  if (processes.is_first()) check_pictures(task);
  const bool open = may_choose_epochs(options);
  if (open && processes.is_first()) choose_epochs(task);
  if (processes.several()) {
    const std::string epochs = processes.broadcast(std::to_string(task.recipe.epochs));
    if (open) task.recipe.epochs = std::stoll(epochs);
  }
  if (open) task.chosen.emplace_back("epochs");
  return task;
}

}  // namespace resnet
