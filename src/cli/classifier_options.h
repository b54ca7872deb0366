// The options of the commands that classify with a model file: the file, its architecture, how pictures become tensors,
// threads.
#pragma once

#include <optional>
#include <string>

#include "cli/command.h"
#include "cli/preprocess_options.h"
#include "resnet/classifier.h"

namespace resnet::cli {

struct ClassifierArguments {
  std::string model;
  std::optional<std::string> architecture;
  int threads = 0;
  EngineOptions engine;
  PreprocessOptions preprocess;
  bool ignore_orientation = false;

  DecodeOptions decode_options() const;
};

// Adds the positional argument MODEL and the options. `arguments` must live as long as the command.
void add_classifier_arguments(CLI::App& command, ClassifierArguments& arguments);

// Loads the model. What nobody says of its preprocessing is said once on stderr.
Classifier load_classifier(const ClassifierArguments& arguments);

}  // namespace resnet::cli
