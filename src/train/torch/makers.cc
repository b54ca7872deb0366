#include "train/makers.h"

#include "base/error.h"
#include "train/torch/torch_learner.h"

namespace resnet {

void check_device(const Recipe& recipe) { static_cast<void>(Device::parse(recipe.device, recipe.precision)); }

std::string device_words(const Recipe& recipe) { return Device::parse(recipe.device, recipe.precision).device.str(); }

std::unique_ptr<Processes> make_processes(const Worker& worker) {
  return worker.world_size == 1 ? std::make_unique<TorchProcesses>() : std::make_unique<TorchProcesses>(worker);
}

std::unique_ptr<Learner> make_learner(const Task& task, Processes& processes) {
  return std::make_unique<TorchLearner>(task, dynamic_cast<TorchProcesses&>(processes));
}

void explain_failure(const std::exception& error, const Recipe& recipe) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  if (torch_error == nullptr) return;
  const std::string text = torch_error->what_without_backtrace();
  if (text.find("allocate memory") != std::string::npos || text.find("out of memory") != std::string::npos) {
    fail(ErrorCode::kLimit, recipe.place("batch"), "there is not enough memory for {} pictures at once", recipe.batch);
  }
  fail(ErrorCode::kUnsupported, "LibTorch", "{}", text);
}

}  // namespace resnet
