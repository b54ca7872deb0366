// The flags that say how pictures become tensors, the same on every command that takes pictures.
//
// What applies to a field: its own flag, else the --preset, else the model file, else what the caller assumes. What is
// so assumed is said on stderr.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "resnet/preprocessing.h"

namespace resnet::cli {

struct PreprocessOptions {
  std::optional<std::string> preset;
  std::optional<std::string> size;  // "224", or "192x256" (height x width)
  std::optional<int> resize;
  std::optional<std::string> interpolation;
  std::vector<float> mean;
  std::vector<float> std;
  std::optional<ChannelOrder> channels;

  bool says_anything() const;
};

// The heading of all but --preset.
inline constexpr const char* kPreprocessing = "How pictures become tensors";

// Adds --preset, --size, --resize, --interpolation, --mean, --std, --channel-order. `options` must live as long as the
// command.
void add_preprocess_options(Command& command, PreprocessOptions& options);

// Adds --max-pixels. `max_pixels` must live as long as the command.
void add_max_pixels_option(Command& command, std::int64_t& max_pixels);

struct ResolvedPreprocessing {
  Preprocessing how;
  std::string assumed;  // what neither flags nor file said, for people: "resize 256, bilinear"; empty where nothing
};

// `otherwise` is what is assumed. Throws Usage for flags that make no sense, also for a number of means that is not
// `channels`.
ResolvedPreprocessing resolve(const PreprocessOptions& options, const std::optional<Preprocessing>& of_file,
                              int channels, const Preprocessing& otherwise);

// Says once on stderr what was assumed, if anything.
void print_assumed(const ResolvedPreprocessing& resolved);

}  // namespace resnet::cli
