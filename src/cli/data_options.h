// The options of the commands that measure models on pictures of known classes: which pictures, and how they run.
#pragma once

#include <string>

#include "cli/drift_watch.h"
#include "cli/options.h"
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
void add_data_arguments(Command& command, DataArguments& arguments);

// Opens the data; where it consists of parts that are not meant to be judged together, that is said on stderr.
Dataset open_data(const DataArguments& arguments);

// Says on stderr of what parts the data consist, where they do; all of them are `done`, such as "judged".
void say_parts(const std::string& path, const Dataset& dataset, const char* done);

// Which output of the model stands for each class of the data; where that is a guess, it is said on stderr. `model` is
// its file, for people.
ClassMap match_classes(const DataArguments& arguments, const Dataset& dataset, const Classifier& classifier,
                       const std::string& model);

// Evaluates with progress on stderr; says there what is skipped, and what `watch` says, where there is one. Throws
// kFormat where no picture could be classified.
Evaluation evaluate_on(const DataArguments& arguments, const Dataset& dataset, const Classifier& classifier,
                       const ClassMap& classes, const DecodeOptions& decode,
                       std::function<void(const Judged&)> judged = {}, DriftWatch* watch = nullptr);

}  // namespace resnet::cli
