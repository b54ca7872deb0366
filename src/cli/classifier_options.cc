#include "cli/classifier_options.h"

#include <fmt/format.h>

#include <filesystem>
#include <utility>

#include "base/error.h"
#include "cli/engine_options.h"
#include "cli/option_words.h"
#include "console/output.h"
#include "weights/class_names.h"
#include "weights/nonfinite.h"
#include "weights/open_fields.h"

namespace resnet::cli {

DecodeOptions ClassifierArguments::decode_options() const {
  DecodeOptions options;
  options.apply_orientation = !ignore_orientation;
  options.max_pixels = max_pixels;
  return options;
}

void add_precision_option(Command& command, std::optional<Precision>& precision) {
  command
      .add_option_function(
          "--precision", [&precision](const std::string& name) { precision = parse_precision(name); },
          "fp32, bf16, int8 or auto; without it int8 models run in int8, others in fp32. bf16 needs a processor with "
          "AVX-512 "
          "BF16, int8 a model of `resnet quantize`; auto takes the fastest that can be")
      ->check(IsMember({"fp32", "bf16", "int8", "auto"}))
      ->type_name("NAME");
}

void add_model_argument(Command& command, std::string& model) {
  command.add_option("MODEL", model, "A .safetensors file, or one of PyTorch; .pth, .pt, .th or .bin")->required();
}

void add_arch_option(Command& command, std::optional<std::string>& architecture) {
  command.add_option("--arch", architecture, "The network's name, if the file does not tell it")->type_name("NETWORK");
}

void add_classes_option(Command& command, std::string& classes) {
  command
      .add_option("--classes", classes,
                  "Names of the classes: names.txt, or a,b,c; a file of lines, also behind WordNet ids, or of JSON")
      ->type_name("NAMES");
}

void set_class_names(Model& model, const std::string& classes) {
  std::error_code error;
  if (classes.find(',') != std::string::npos && !std::filesystem::exists(classes, error)) {
    model.classes = list_class_names(classes, "--classes");
  } else {
    model.classes = read_class_names(classes);
  }
  if (model.classes.size() != static_cast<std::size_t>(model.architecture.classes)) {
    fail(ErrorCode::kMismatch, classes, "{} class names, but the model has {} classes", model.classes.size(),
         model.architecture.classes);
  }
}

void add_classifier_options(Command& command, ClassifierArguments& arguments, bool runs) {
  add_arch_option(command, arguments.architecture);
  add_which_options(command, arguments.which);
  if (runs) add_precision_option(command, arguments.engine.precision);
  add_shared_classifier_options(command, arguments);
}

void add_shared_classifier_options(Command& command, ClassifierArguments& arguments) {
  command.add_option("--threads", arguments.engine.threads, "Threads (one per processor)")->check(Range(0, 1024));
  add_algorithm_options(command, arguments.engine);
  add_preprocess_options(command, arguments.preprocess);
  command
      .add_flag("--ignore-orientation", arguments.ignore_orientation, "Do not turn pictures as their EXIF data says")
      ->group(kPreprocessing);
  add_max_pixels_option(command, arguments.max_pixels);
  add_nonfinite_option(command, arguments.allow_nonfinite);
}

void WhichNetwork::apply_to(LoadOptions& load) const {
  load.take = take;
  load.head = head;
  try {
    load.changes = fields.changes();
  } catch (const Error& error) {
    throw as_usage(error);
  }
}

void add_which_options(Command& command, WhichNetwork& which) {
  constexpr const char* kGroup = "What a file does not say of its network";
  command
      .add_option("--take", which.take,
                  "Of several networks in the file the one whose tensors' names begin so, or have this part: "
                  "model_ema, encoder_k")
      ->group(kGroup);
  command
      .add_option("--head", which.head,
                  "Of several classifiers behind the network the one of this name; none: a backbone without one")
      ->group(kGroup);
  which.fields.add_to(command, fields_beyond_tensors(), kGroup);
}

void add_nonfinite_option(Command& command, bool& allow) {
  command
      .add_flag(
          "--allow-nonfinite", allow,
          "Go on where weights or answers are NaN or infinite, which is an error otherwise: to look for the reason")
      ->group(kMoreOptions);
}

Model load_model_aloud(const std::string& path, const LoadOptions& options) {
  Model model = load_model(path, options);
  for (const std::string& note : model.finding.notes) say(fmt::format("{}: {}", path, note));
  if (const std::string assumed = flags_of(model.finding.assumed); !assumed.empty()) {
    say(fmt::format("{}: assumed, as its tensors do not tell: {}", path, assumed));
  }
  if (options.allow_nonfinite) say_nonfinite(path, model.weights);
  return model;
}

void say_nonfinite(const std::string& path, const StateDict& weights) {
  const std::vector<NonfiniteTensor> found = find_nonfinite(weights);
  if (!found.empty()) say(fmt::format("{}: {}", path, describe(found)));
}

Model load_network(const ClassifierArguments& arguments) {
  LoadOptions load;
  if (arguments.architecture) load.architecture = find_architecture(*arguments.architecture);
  load.allow_nonfinite = arguments.allow_nonfinite;
  arguments.which.apply_to(load);
  return load_model_aloud(arguments.model, load);
}

void settle_preprocessing(const ClassifierArguments& arguments, Model& model) {
  const ResolvedPreprocessing resolved =
      resolve(arguments.preprocess, model.preprocessing, model.architecture.in_channels,
              assume_preprocessing(model.architecture));
  print_assumed(resolved);
  model.preprocessing = resolved.how;
}

Model load_classifier_model(const ClassifierArguments& arguments, Head head) {
  Model model = load_network(arguments);
  if (head == Head::kNeeded) require_head(model.architecture, arguments.model);
  if (!arguments.classes.empty()) set_class_names(model, arguments.classes);
  settle_preprocessing(arguments, model);
  return model;
}

Classifier make_classifier(const ClassifierArguments& arguments, Model model) {
  ClassifierOptions options;
  options.engine = arguments.engine;
  options.allow_nonfinite = arguments.allow_nonfinite;
  return Classifier(std::move(model), options);
}

Classifier load_classifier(const ClassifierArguments& arguments, Head head) {
  return make_classifier(arguments, load_classifier_model(arguments, head));
}

}  // namespace resnet::cli
