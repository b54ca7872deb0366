// The options of the commands that classify pictures with a model file: the file, its architecture, how pictures are
// prepared, threads.
#pragma once

#include <optional>
#include <string>

#include "cli/command.h"
#include "cli/preprocess_options.h"
#include "resnet/classifier.h"

namespace resnet::cli {

class ClassifierOptions {
 public:
  // `command` keeps pointers to this object: it must live as long.
  void add_to(CLI::App& command);

  // Loads the model. What it does not say of its preprocessing, and no option does, is said once on stderr.
  Classifier load() const;

  DecodeOptions decode_options(const Classifier& classifier) const;

 private:
  std::string model_;
  std::optional<std::string> architecture_;
  int threads_ = 0;
  PreprocessOptions preprocess_;
};

}  // namespace resnet::cli
