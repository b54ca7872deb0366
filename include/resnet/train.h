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
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace resnet {

// Everything that decides what is trained and how. Each field is a key of a recipe file and a flag of `resnet train`,
// by the same name (docs/training.md); what they mean and which values they take is said there and by --help.
struct Recipe {
  // The network.
  std::string arch = "resnet50";
  std::string block, stem, shortcut;  // empty: the architecture's
  std::vector<std::int64_t> depths, widths;
  std::int64_t groups = 0, width_per_group = 0, stem_width = 0;  // 0: the architecture's
  std::string from;                 // a model file to start from; the architecture is its own then
  std::vector<std::string> freeze;  // "stem", "layer1", ..., "all-but-head"
  bool zero_init = true;  // the last batch norm of each block starts at zero; not with `from`, nor where shortcuts pad
  double stochastic_depth = 0;  // probability that the last block is left out, growing linearly from the first

  // The data.
  std::string data;
  std::string val;                // a path, a fraction of the data, or empty
  std::string preset;             // of preprocessing; empty: what suits the network
  std::int64_t size = 0;          // of the tensor; 0: the preset's
  std::int64_t resize = -1;       // the shorter side for validation; -1: the preset's
  std::string interpolation;      // empty: the preset's
  std::vector<double> mean, std;  // empty: the preset's
  bool shuffle = true;            // the pictures of each epoch come in an order of its own
  std::string bad_images = "fail";
  std::int64_t cache_megabytes = 1024;

  // How pictures are changed at random.
  std::string crop = "resized";  // "resized", "padded", "none"
  double crop_min_area = 0.08;
  std::int64_t padding = 4;
  double flip = 0.5;
  double brightness = 0, contrast = 0, saturation = 0, hue = 0;
  std::string policy = "none";  // "none", "trivial", "rand"
  std::int64_t rand_operations = 2, rand_magnitude = 9;
  double erasing = 0;
  double mixup = 0, cutmix = 0;

  // The optimiser.
  std::int64_t epochs = 90;
  std::int64_t batch = 128;
  std::int64_t accumulate = 1;
  std::string optimizer = "sgd";  // "sgd", "adamw", "lamb"
  double lr = 0.1;
  double momentum = 0.9;
  bool nesterov = true;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 1e-4;
  bool decay_all = false;             // also batch norms and biases
  double clip = 0;                    // longest gradient; 0: any
  std::vector<std::string> stage_lr;  // "stem=0.1", "head=10", ...: factors of lr

  // How the learning rate goes.
  std::string schedule = "cosine";  // "constant", "step", "cosine", "one_cycle", "polynomial"
  double warmup_epochs = 0;
  double warmup_start = 0.01;  // the first rate, as a factor of lr
  std::vector<double> step_epochs;
  double step_factor = 0.1;
  double power = 1;
  double peak = 0.3;           // where one_cycle has its highest rate, as a part of the run
  double start_factor = 0.04;  // its first rate, as a factor of lr
  double end_factor = 0;       // the last rate, as a factor of lr

  // The loss, and what is kept.
  double label_smoothing = 0;
  std::vector<double> class_weights;
  double ema = 0;             // decay of the averaged weights; 0: none
  std::int64_t patience = 0;  // epochs without a better result after which training ends; 0: none

  // The run.
  std::int64_t seed = 0;
  std::string device = "auto";
  std::string precision = "fp32";     // "fp32", "bf16", "fp16"
  std::int64_t threads = 0;           // 0: one per processor
  std::int64_t checkpoint_steps = 0;  // also within epochs, so many steps apart; 0: at the end of epochs only
  std::int64_t keep = 3;              // checkpoints

  // Where keys were said last, for messages: "recipe.toml: line 3: lr" or "--lr". read_recipe() and flags write it.
  struct Places : std::map<std::string, std::string, std::less<>> {
    bool operator==(const Places&) const { return true; }  // no part of what is trained
  };
  Places places;
  std::string place(std::string_view key) const;  // "recipe: lr" where nobody did

  bool operator==(const Recipe&) const = default;
};

// Reads a TOML file over the values of `base`. Throws kInvalidArgument for a key that there is not and for a value that
// makes no sense, kFormat for what is no TOML; the place is "FILE: line N: KEY".
Recipe read_recipe(const std::string& path, Recipe base = {});

// All of the recipe as TOML that read_recipe() gives back.
std::string to_toml(const Recipe& recipe);

// Throws kInvalidArgument, naming the key, where values are out of their range or make no sense together.
void validate(const Recipe& recipe);

// This process among those that train one network together; by default it is the only one.
struct Worker {
  int rank = 0;
  int world_size = 1;
  int local_world_size = 1;      // of them on this machine, which share its processors
  std::string address;           // where rank 0 listens
  int port = 0;                  // TCP
  bool served = false;           // something else listens there already, such as torchrun
  std::string attempt;           // tells restarts apart that meet at the same place
  double timeout_seconds = 300;  // longest wait for another process
};

// What the environment says of this process: the variables of torchrun (RANK, WORLD_SIZE, LOCAL_WORLD_SIZE,
// MASTER_ADDR, MASTER_PORT), Open MPI or Slurm; the only process where there are none. Throws kInvalidArgument, naming
// the variable.
Worker worker_from_environment();

struct TrainOptions {
  Recipe recipe;        // the same in all processes; `batch` is that of all of them together
  std::string out;      // the run's folder, made where there is none; rank 0 alone looks at it
  bool resume = false;  // go on with what is there, or start where there is nothing yet
  Worker worker;
};

// One line of metrics.csv. What was not measured is not a number.
struct EpochRecord {
  static constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  std::int64_t epoch = 0;  // from 1
  std::int64_t step = 0;   // optimiser steps so far
  double lr = 0;           // of the epoch's last step
  double train_loss = 0;
  double train_top1 = 0;  // fraction, of the pictures as they were changed, while the network was learning
  double val_loss = kNone, val_top1 = kNone, val_top5 = kNone;
  double ema_loss = kNone, ema_top1 = kNone, ema_top5 = kNone;
  double images_per_second = 0;
  double seconds = 0;  // of the epoch, validation included
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

// Trains, and leaves in `out`: recipe.toml, best.safetensors, checkpoints/, metrics.csv, TensorBoard's event files and
// report.html. Throws what reading the data and the files throws; kInvalidArgument where the recipe does not fit data
// or network, and, naming step, learning rate and batch, where the loss is no number; kUnsupported for a device that is
// not there; kMismatch for a checkpoint of another network, and for processes that were started unlike each other; kIo,
// also, naming ranks, where other processes are gone. Uses its own threads; one run a process.
TrainResult train(const TrainOptions& options, const TrainHooks& hooks = {});

}  // namespace resnet
