// resnet init: a model file of an untrained network.
#include <fmt/format.h>

#include "base/text.h"
#include "cli/architecture_options.h"
#include "cli/command.h"
#include "console/numbers.h"
#include "model/calibrate.h"
#include "resnet/model_file.h"
#include "weights/initialize.h"
#include "weights/output_format.h"

namespace resnet::cli {
namespace {

struct Options {
  ArchitectureOptions architecture;
  std::uint64_t seed = 0;
  std::string output;
  bool calibrated = false;
};

void init(const Options& options) {
  output_format(options.output);
  check_writable(options.output);
  const Graph graph = expand(options.architecture.architecture());
  Model model;
  model.architecture = graph.architecture;
  model.weights = initial_weights(graph, options.seed);
  if (options.calibrated) model.weights = calibrate_on_noise(graph, model.weights, options.seed);
  save_model(model, options.output);
  fmt::print("{}: {}, {} parameters, seed {}\n", printable(options.output), model.architecture.name,
             grouped(parameter_count(graph)), options.seed);
}

}  // namespace

void add_init(Command& app) {
  Command* command = app.add_subcommand("init", "Write a model file of an untrained network");
  auto options = std::make_shared<Options>();
  options->architecture.add_to(*command, "NETWORK", "Name of an architecture");
  command->add_option("--seed", options->seed, "The same seed gives the same weights")
      ->capture_default_str()
      ->check(Range(std::uint64_t{0}, kMaxSeed));
  command->add_option("-o,--out,--output", options->output, "The file to write: .safetensors, .pth, .pt, .th or .bin")
      ->type_name("FILE")
      ->required();
  command->add_flag("--calibrated", options->calibrated,
                    "Set batch norms from noise; activations then stay of order one");
  command->footer(
      "Convolutions are initialised as He et al. 2015 do, the classifier as PyTorch does.\n"
      "Examples:\n"
      "  resnet init resnet50 --seed 1 -o resnet50.safetensors\n"
      "  resnet init resnet18 --classes 10 --calibrated -o resnet18.pth");
  command->callback([options] { init(*options); });
}

}  // namespace resnet::cli
