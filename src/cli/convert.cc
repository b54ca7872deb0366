// resnet convert: a model file in another format or layout, or with class names and preprocessing.
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/text.h"
#include "cli/checking.h"
#include "cli/classifier_options.h"
#include "cli/command.h"
#include "cli/preprocess_options.h"
#include "console/output.h"
#include "program/quantized.h"
#include "resnet/classifier.h"
#include "weights/change_layout.h"
#include "weights/output_format.h"

namespace resnet::cli {
namespace {

struct Options {
  std::string input;
  std::string output;
  std::optional<std::string> architecture;
  std::string classes;
  std::string layout;
  PreprocessOptions preprocess;
  bool allow_nonfinite = false;
  WhichNetwork which;
  std::vector<std::string> check;  // pictures

  bool says_preprocessing() const { return preprocess.says_anything(); }

  // Whether the network or its pictures may be others than those that the file was checked with.
  bool says_otherwise() const {
    return says_preprocessing() || architecture.has_value() || which.fields.changes() != ArchitectureChanges();
  }
};

void set_preprocessing(Model& model, const PreprocessOptions& options) {
  const ResolvedPreprocessing resolved =
      resolve(options, model.preprocessing, model.architecture.in_channels, assume_preprocessing(model.architecture));
  print_assumed(resolved);
  model.preprocessing = resolved.how;
}

// The check of what will be written, which records it there. Problems of the weights are said on stderr.
CheckReport check(const Options& options, Model& model, std::string& flags) {
  CheckPictures pictures;
  pictures.paths = options.check;
  Checked checked = run_check(model, pictures, 0);
  constexpr std::size_t kSaid = 3;
  const std::vector<WeightProblem>& problems = checked.report.weights;
  for (std::size_t i = 0; i < std::min(kSaid, problems.size()); ++i) {
    say(fmt::format("{}: {}: {}", options.input, problems[i].tensor, problems[i].text));
  }
  if (problems.size() > kSaid) {
    say(fmt::format("{}: and {} more such: 'resnet check' lists them", options.input, problems.size() - kSaid));
  }
  record_check(checked.report, model);
  flags = std::move(checked.flags);
  return std::move(checked.report);
}

void convert(const Options& options) {
  if (options.output.ends_with(".onnx")) {
    fail(ErrorCode::kInvalidArgument, options.output, "ONNX is written by `resnet export {} -o {}`", options.input,
         options.output);
  }
  const bool torch = output_format(options.output) == OutputFormat::kTorch;
  if (torch && !options.check.empty()) {
    throw Usage(options.output + ": a PyTorch file holds weights alone; write .safetensors to record a check");
  }
  if (torch && (!options.classes.empty() || options.says_preprocessing())) {
    throw Usage(options.output +
                ": a PyTorch file holds weights alone; write .safetensors for classes and preprocessing");
  }
  check_writable(options.output);
  LoadOptions load;
  if (options.architecture) load.architecture = find_architecture(*options.architecture);
  load.allow_nonfinite = options.allow_nonfinite;
  options.which.apply_to(load);
  Model model = load_model_aloud(options.input, load);
  if ((torch || !options.layout.empty()) && is_quantized(expand(model.architecture), model.weights)) {
    model.weights = dequantized(expand(model.architecture), model.weights);
    say("the int8 weights become float32");
  }
  if (!options.layout.empty()) model = change_layout(model, parse_layout(options.layout));
  if (!options.classes.empty()) set_class_names(model, options.classes);
  if (options.says_preprocessing() || !options.check.empty()) set_preprocessing(model, options.preprocess);
  if (options.says_otherwise()) forget_check(model);
  std::optional<CheckReport> checked;
  std::string flags;
  if (!options.check.empty()) checked = check(options, model, flags);
  save_model(model, options.output);
  fmt::print("{}: {}, {} layout, {} classes\n", printable(options.output), model.architecture.name,
             name(model.architecture.layout), model.architecture.classes);
  if (torch && (!model.classes.empty() || model.preprocessing)) {
    say("class names and preprocessing are left out: a PyTorch file holds weights alone");
  }
  if (!checked) return;
  fmt::print("check: {} (distance {:.4f}, {} pictures)\n", in_words(*checked),
             checked->hypotheses[checked->stated].distance, checked->pictures);
  if (checked->contradicted) {
    flush_output();
    fail(ErrorCode::kMismatch, options.output, "was written, but its batch norms contradict it; convert again with {}",
         flags);
  }
}

}  // namespace

void add_convert(Command& app) {
  Command* command = app.add_subcommand("convert", "Write a model in another format, with names");
  auto options = std::make_shared<Options>();
  command->add_option("MODEL", options->input, "A .safetensors file, or one of PyTorch")->required();
  command->add_option("-o,--out,OUT", options->output, "The file to write: .safetensors, .pth, .pt, .th or .bin")
      ->type_name("FILE")
      ->required();
  add_classes_option(*command, options->classes);
  command->add_option("--layout", options->layout, "How modules are named; torchvision folds biases into batch norms")
      ->check(IsMember({"torchvision", "tutorial"}));
  add_arch_option(*command, options->architecture);
  add_which_options(*command, options->which);
  add_preprocess_options(*command, options->preprocess);
  add_nonfinite_option(*command, options->allow_nonfinite);
  command
      ->add_option("--check", options->check,
                   "Pictures like those of the training; the verdict of 'resnet check' goes into the file")
      ->type_name("PICTURES")
      ->allow_extra_args(false);
  command->footer(
      "Examples:\n"
      "  resnet convert resnet50.pth -o resnet50.safetensors --classes names.txt\n"
      "  resnet convert net.th -o net.safetensors --preset cifar --check photos/\n"
      "  resnet convert tutorial.pt -o resnet50.pth --layout torchvision");
  command->callback([options] { convert(*options); });
}

}  // namespace resnet::cli
