// Recipes: what is trained and how, as a value and as a TOML file.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "resnet/architecture.h"
#include "resnet/preprocessing.h"

namespace resnet {

// Everything that decides what is trained and how. Each field is a key of a recipe file and a flag of `resnet train`,
// by the same name (docs/training.md); what they mean and which values they take is said there and by --help.
struct Recipe {
  enum class BadImages { kFail, kSkip };
  enum class Crop { kResized, kPadded, kNone };
  enum class Policy { kNone, kTrivial, kRand };  // TrivialAugment, RandAugment
  enum class Optimizer { kSgd, kAdamW, kLamb };
  enum class Schedule { kConstant, kStep, kCosine, kOneCycle, kPolynomial };
  enum class Precision { kFp32, kBf16, kFp16 };

  // The network.
  std::string arch = "resnet18";
  ArchitectureChanges changes;      // what is different from `arch`, of the fields that are keys; with `from` only of
                                    // those that tensors do not tell
  std::string from;                 // a model file to start from; the architecture is its own then
  std::string take, head;           // of several networks and heads in it (LoadOptions)
  bool allow_nonfinite = false;     // start also from weights that are not all finite (LoadOptions)
  std::vector<std::string> freeze;  // "stem", "layer1", ..., "all-but-head"
  bool zero_init = true;  // the last batch norm of each block starts at zero; not with `from`, nor where shortcuts pad
  double stochastic_depth = 0;  // probability that the last block is left out, growing linearly from the first

  // The data.
  std::string data;
  std::string val;                             // a path, a fraction of the data, or empty
  std::optional<Preset> preset;                // of preprocessing; none: what suits the network
  std::int64_t size = 0;                       // of the tensor; 0: the preset's
  std::int64_t resize = -1;                    // the shorter side for validation; -1: the preset's
  std::optional<Interpolation> interpolation;  // none: the preset's
  std::vector<double> mean, std;               // empty: the preset's
  bool shuffle = true;                         // the pictures of each epoch come in an order of its own
  BadImages bad_images = BadImages::kFail;
  std::int64_t cache_megabytes = 1024;
  std::int64_t max_pixels = 178'956'970;  // larger pictures are bad ones

  // How pictures are changed at random.
  Crop crop = Crop::kResized;
  double crop_min_area = 0.08;
  std::int64_t padding = 4;
  double flip = 0.5;
  double brightness = 0, contrast = 0, saturation = 0, hue = 0;
  Policy policy = Policy::kNone;
  std::int64_t rand_operations = 2, rand_magnitude = 9;
  double erasing = 0;
  double mixup = 0, cutmix = 0;

  // The optimiser.
  std::int64_t epochs = 90;
  std::int64_t batch = 128;
  std::int64_t accumulate = 1;
  Optimizer optimizer = Optimizer::kSgd;
  double lr = 0.1;
  double momentum = 0.9;
  bool nesterov = true;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 1e-4;
  bool decay_all = false;             // also batch norms and biases
  double clip = 0;                    // longest gradient; 0: any
  std::vector<std::string> stage_lr;  // "stem=0.1", "head=10", ...: factors of lr

  // How the learning rate goes.
  Schedule schedule = Schedule::kCosine;
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
  Precision precision = Precision::kFp32;
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

}  // namespace resnet
