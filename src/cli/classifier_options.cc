#include "cli/classifier_options.h"

#include "cli/engine_options.h"

#include <utility>

namespace resnet::cli {

DecodeOptions ClassifierArguments::decode_options() const {
  DecodeOptions options;
  options.apply_orientation = !ignore_orientation;
  return options;
}

void add_classifier_arguments(CLI::App& command, ClassifierArguments& arguments) {
  command.add_option("model", arguments.model, "Model file: .safetensors, .pth, .pt, .th or .bin")->required();
  command.add_option("--arch", arguments.architecture, "The network's name, instead of what the file says or shows");
  command.add_option("--threads", arguments.threads, "Threads of the network; 0: one per processor")
      ->check(CLI::Range(0, 1024));
  add_algorithm_options(command, arguments.engine);
  add_preprocess_options(command, arguments.preprocess);
  command
      .add_flag("--ignore-orientation", arguments.ignore_orientation, "Do not turn pictures as their EXIF data says")
      ->group("How pictures become tensors");
}

Classifier load_classifier(const ClassifierArguments& arguments) {
  LoadOptions load;
  if (arguments.architecture) load.architecture = find_architecture(*arguments.architecture);
  Model model = load_model(arguments.model, load);
  const ResolvedPreprocessing resolved =
      resolve(arguments.preprocess, model.preprocessing, model.architecture.in_channels,
              assume_preprocessing(model.architecture));
  print_assumed(resolved);
  ClassifierOptions options;
  options.engine = arguments.engine;
  options.engine.threads = arguments.threads;
  options.preprocessing = resolved.how;
  return Classifier(std::move(model), options);
}

}  // namespace resnet::cli
