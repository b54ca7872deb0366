// Training: a recipe, a place for what comes out, and one call.
//
//   resnet::TrainOptions options;
//   options.recipe = resnet::read_recipe("recipes/cifar10-resnet20.toml");
//   options.recipe.data = "cifar10/";
//   options.out = "run";
//   resnet::TrainResult result = resnet::train(options);
//
// No type of LibTorch is in this header; train() itself is in the library resnet::train, which links it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "resnet/epoch_record.h"
#include "resnet/recipe.h"
#include "resnet/run_plan.h"
#include "resnet/worker.h"

namespace resnet {

struct TrainOptions {
  Recipe recipe;        // the same in all processes; `batch` is that of all of them together
  std::string out;      // the run's folder, made where there is none; rank 0 alone looks at it
  bool resume = false;  // go on with what is there, or start where there is nothing yet
  Worker worker;

  // Of the keys batch, lr and epochs those that are chosen to suit data and machine instead of the recipe's: pictures
  // a step, the rate that goes with them, and epochs that end within about an hour, for which the speed is measured.
  std::vector<std::string> open = {};
};

struct StepProgress {
  std::int64_t epoch = 0, epochs = 0;  // from 1
  std::int64_t batch = 0, batches = 0;
  double loss = 0;  // means of the epoch so far
  double top1 = 0;
  double images_per_second = 0;
  double seconds_left = 0;  // of the run
};

// What train() tells while it works, from the calling thread; in every process. Any may be empty.
struct TrainHooks {
  std::function<void(const std::vector<PlanLine>&)> begin;  // what the run will be, before its first step; in rank 0
  std::function<void(std::int64_t seen, std::int64_t pictures)> look;  // at those that validate, before the first step
  std::function<void(const StepProgress&)> step;
  std::function<void(const EpochRecord&)> epoch;
  std::function<void(const std::string&)> notice;  // a line for people: what was resumed, skipped, or damaged
  std::function<bool()> stop;  // asked after each step: true, in any process, writes a checkpoint and returns
};

enum class TrainEnd { kFinished, kEarly, kStopped };  // all epochs; patience was over; the hook said so

struct TrainResult {
  TrainEnd end = TrainEnd::kFinished;
  std::vector<EpochRecord> history;
  std::int64_t best_epoch = 0;  // 0: none
  double best_top1 = EpochRecord::kNone;
  bool best_is_ema = false;
  std::string best_path;        // of best.safetensors
  std::string checkpoint_path;  // the newest
};

// First looks for what would end the run later: pictures of another size where none are resized, pictures to validate
// with that cannot be read, a disk with too little room. Then trains, and leaves in `out`: recipe.toml,
// best.safetensors, checkpoints/, metrics.csv, TensorBoard's event files and report.html. Throws what reading the data
// and the files throws; kInvalidArgument where the recipe does not fit data or network, and, naming step, learning rate
// and batch, where the loss is no number; kUnsupported for a device that is not there; kMismatch for a checkpoint of
// another network, and for processes that were started unlike each other; kIo, also, naming ranks, where other
// processes are gone. Uses its own threads; one run a process.
TrainResult train(const TrainOptions& options, const TrainHooks& hooks = {});

}  // namespace resnet
