// resnet convert: a model file in another format or layout, or with class names and preprocessing.
#include <fmt/format.h>

#include "base/text.h"
#include "cli/classifier_options.h"
#include "cli/command.h"
#include "cli/preprocess_options.h"
#include "console/output.h"
#include "program/quantized.h"
#include "resnet/classifier.h"
#include "weights/change_layout.h"
#include "weights/class_names.h"
#include "weights/output_format.h"

namespace resnet::cli {
namespace {

struct Options {
  std::string input;
  std::string output;
  std::string architecture;
  std::string classes;
  std::string layout;
  PreprocessOptions preprocess;
  bool allow_nonfinite = false;
  WhichNetwork which;

  bool says_preprocessing() const { return preprocess.says_anything(); }
};

void set_classes(Model& model, const std::string& path) {
  model.classes = read_class_names(path);
  if (model.classes.size() != static_cast<std::size_t>(model.architecture.classes)) {
    throw Error(
        ErrorCode::kMismatch, path,
        fmt::format("{} class names, but the model has {} classes", model.classes.size(), model.architecture.classes));
  }
}

void set_preprocessing(Model& model, const PreprocessOptions& options) {
  const ResolvedPreprocessing resolved =
      resolve(options, model.preprocessing, model.architecture.in_channels, assume_preprocessing(model.architecture));
  print_assumed(resolved);
  model.preprocessing = resolved.how;
}

void convert(const Options& options) {
  const bool torch = output_format(options.output) == OutputFormat::kTorch;
  if (torch && (!options.classes.empty() || options.says_preprocessing())) {
    throw Usage(options.output +
                ": a PyTorch file holds weights alone; write .safetensors for classes and preprocessing");
  }
  check_writable(options.output);
  LoadOptions load;
  if (!options.architecture.empty()) load.architecture = find_architecture(options.architecture);
  load.allow_nonfinite = options.allow_nonfinite;
  options.which.apply_to(load);
  Model model = load_model_aloud(options.input, load);
  if ((torch || !options.layout.empty()) && is_quantized(expand(model.architecture), model.weights)) {
    model.weights = dequantized(expand(model.architecture), model.weights);
    say("the int8 weights become float32");
  }
  if (!options.layout.empty()) model = change_layout(model, parse_layout(options.layout));
  if (!options.classes.empty()) set_classes(model, options.classes);
  if (options.says_preprocessing()) set_preprocessing(model, options.preprocess);
  save_model(model, options.output);
  fmt::print("{}: {}, {} layout, {} classes\n", printable(options.output), model.architecture.name,
             name(model.architecture.layout), model.architecture.classes);
  if (torch && (!model.classes.empty() || model.preprocessing)) {
    say("class names and preprocessing are left out: a PyTorch file holds weights alone");
  }
}

}  // namespace

void add_convert(Command& app) {
  Command* command = app.add_subcommand("convert", "Write a model file in another format, layout or with more to say");
  auto options = std::make_shared<Options>();
  command->add_option("IN", options->input, "A .safetensors or PyTorch file")->required();
  command->add_option("OUT", options->output, "The file to write: .safetensors, .pth, .pt, .th or .bin")->required();
  command->add_option("--arch", options->architecture, "Name of the architecture, where it is not what the file shows");
  add_which_options(*command, options->which);
  command->add_option("--classes", options->classes,
                      "File with the names of the classes: lines, also behind WordNet ids, or a JSON array or object");
  command->add_option("--layout", options->layout, "torchvision (biases folded into batch norm) or tutorial")
      ->check(IsMember({"torchvision", "tutorial"}));
  add_preprocess_options(*command, options->preprocess);
  add_nonfinite_option(*command, options->allow_nonfinite);
  command->footer(
      "Examples:\n"
      "  resnet convert resnet50.pth resnet50.safetensors --preset torchvision --classes names.txt\n"
      "  resnet convert tutorial.pt resnet50.pth --layout torchvision");
  command->callback([options] { convert(*options); });
}

}  // namespace resnet::cli
