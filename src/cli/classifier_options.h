// The options of the commands that classify with a model file: the file, its architecture, how pictures become tensors,
// threads.
#pragma once

#include <optional>
#include <string>

#include "cli/field_options.h"
#include "cli/options.h"
#include "cli/preprocess_options.h"
#include "resnet/classifier.h"

namespace resnet::cli {

// What files that do not describe themselves leave open: which part of one is the model, where it holds several, and
// what of the network its tensors do not tell.
struct WhichNetwork {
  std::string take;
  std::string head;
  FieldOptions fields;

  // Throws Usage for a field's value that is none.
  void apply_to(LoadOptions& load) const;
};

struct ClassifierArguments {
  std::string model;
  std::optional<std::string> architecture;
  std::string classes;
  EngineOptions engine;
  PreprocessOptions preprocess;
  bool ignore_orientation = false;
  std::int64_t max_pixels = kMaxPixels;
  bool allow_nonfinite = false;
  WhichNetwork which;

  DecodeOptions decode_options() const;
};

// The positional argument MODEL. What follows takes references that must live as long as the command.
void add_model_argument(Command& command, std::string& model);

// --arch.
void add_arch_option(Command& command, std::optional<std::string>& architecture);

// --arch, --threads, what a file does not say, how pictures become tensors; --precision where the command `runs` the
// model as it stands.
void add_classifier_options(Command& command, ClassifierArguments& arguments, bool runs = true);

// The options alone that are of no one model: --threads, how pictures become tensors.
void add_shared_classifier_options(Command& command, ClassifierArguments& arguments);

// --classes, and what it does: the names that a file holds, or that stand with commas between, become the model's.
// Throws kMismatch for another number of them than the model has classes.
void add_classes_option(Command& command, std::string& classes);
void set_class_names(Model& model, const std::string& classes);

// --precision. `precision` must live as long as the command.
void add_precision_option(Command& command, std::optional<Precision>& precision);

// --take, --head and a flag for each field that tensors do not tell. `which` must live as long as the command.
void add_which_options(Command& command, WhichNetwork& which);

// --allow-nonfinite. `allow` must live as long as the command.
void add_nonfinite_option(Command& command, bool& allow);

// What load_model() gives. What was decided about a file that does not describe itself is said on stderr, and where
// --allow-nonfinite was given the values that are not finite.
Model load_model_aloud(const std::string& path, const LoadOptions& options);
void say_nonfinite(const std::string& path, const StateDict& weights);

// Whether a command takes a backbone, which names no classes.
enum class Head { kAny, kNeeded };

// The two halves of what follows: the model, and how its pictures are prepared.
Model load_network(const ClassifierArguments& arguments);
void settle_preprocessing(const ClassifierArguments& arguments, Model& model);

// Loads the model and settles its preprocessing. What nobody says of it is said once on stderr. Throws kUnsupported,
// naming the file, where a head is needed and there is none.
Model load_classifier_model(const ClassifierArguments& arguments, Head head = Head::kAny);

// What such a model is to run with: the options of the command.
Classifier make_classifier(const ClassifierArguments& arguments, Model model);

// Both.
Classifier load_classifier(const ClassifierArguments& arguments, Head head = Head::kAny);

}  // namespace resnet::cli
