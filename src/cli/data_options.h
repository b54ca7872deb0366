// The options of the commands that measure models on pictures of known classes: which pictures, and how they run.
#pragma once

#include <string>

#include "cli/command.h"
#include "evaluate/evaluate.h"

namespace resnet::cli {

struct DataArguments {
  std::string path;
  DatasetOptions dataset;
  EvaluateOptions options;

  // What a page calls the data: "cifar10/test".
  std::string name() const;
};

// Adds the positional argument DATA and the options. `arguments` must live as long as the command.
void add_data_arguments(CLI::App& command, DataArguments& arguments);

// Evaluates with progress on stderr; says there what is skipped and which classes the model's outputs are taken for.
// `model` is its file, for people. Throws kFormat where no picture could be classified.
Evaluation evaluate_on(const DataArguments& arguments, const Dataset& dataset, const Classifier& classifier,
                       const std::string& model, const DecodeOptions& decode,
                       std::function<void(const Judged&)> judged = {});

}  // namespace resnet::cli
