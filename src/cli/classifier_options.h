// The options of the commands that classify with a model file: the file, its architecture, how pictures become tensors,
// threads.
#pragma once

#include <optional>
#include <string>

#include "cli/options.h"
#include "cli/preprocess_options.h"
#include "resnet/classifier.h"

namespace resnet::cli {

struct ClassifierArguments {
  std::string model;
  std::optional<std::string> architecture;
  EngineOptions engine;
  PreprocessOptions preprocess;
  bool ignore_orientation = false;
  std::int64_t max_pixels = kMaxPixels;
  bool allow_nonfinite = false;

  DecodeOptions decode_options() const;
};

// Adds the positional argument MODEL and the options; --precision where the command `runs` the model as it stands.
// `arguments` must live as long as the command.
void add_classifier_arguments(Command& command, ClassifierArguments& arguments, bool runs = true);

// The options alone that are of no one model: --threads, how pictures become tensors.
void add_shared_classifier_options(Command& command, ClassifierArguments& arguments);

// --precision. `precision` must live as long as the command.
void add_precision_option(Command& command, std::optional<Precision>& precision);

// --allow-nonfinite. `allow` must live as long as the command.
void add_nonfinite_option(Command& command, bool& allow);

// What load_model() gives; where --allow-nonfinite was given, the values that are not finite are said on stderr.
Model load_model_aloud(const std::string& path, const LoadOptions& options);
void say_nonfinite(const std::string& path, const StateDict& weights);

// Whether a command takes a backbone, which names no classes.
enum class Head { kAny, kNeeded };

// Loads the model and settles its preprocessing. What nobody says of it is said once on stderr. Throws kUnsupported,
// naming the file, where a head is needed and there is none.
Model load_classifier_model(const ClassifierArguments& arguments, Head head = Head::kAny);

// The same, ready to run.
Classifier load_classifier(const ClassifierArguments& arguments, Head head = Head::kAny);

}  // namespace resnet::cli
