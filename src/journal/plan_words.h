// A run before its first step as lines for people: data, network, machine, steps, what will be written.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "resnet/architecture.h"
#include "resnet/preprocessing.h"
#include "resnet/recipe.h"
#include "resnet/run_plan.h"

namespace resnet {

// What is not in the recipe, or was settled since it was written.
struct RunPlan {
  Recipe recipe;  // with the numbers that were chosen
  std::int64_t pictures = 0;
  std::vector<std::string> classes;
  std::int64_t val_pictures = 0;
  std::vector<std::string> unvalidated;  // classes of which validation has no picture
  Preprocessing preprocessing;
  Architecture architecture;
  std::int64_t parameters = 0;
  bool new_head = false;
  std::string device;  // "cpu"
  int threads = 0;     // of each process
  int processes = 1;
  std::int64_t steps = 0;  // an epoch
  std::int64_t model_bytes = 0;
  std::int64_t checkpoint_bytes = 0;
  std::vector<std::string> chosen;  // keys that nobody said and that were made to suit data and machine
  double seconds = 0;               // that the run takes, measured; 0: not known
  std::string out;
};

// Pictures of an epoch that no batch takes.
std::int64_t left_over(const RunPlan& plan);

std::vector<PlanLine> plan_words(const RunPlan& plan);

// "32x32 of the centre, the shorter side resized to 36, bilinear; RGB, mean ..., std ..."
std::string preprocessing_words(const Preprocessing& how);

// "1.3 MB"
std::string bytes_words(std::int64_t bytes);

}  // namespace resnet
