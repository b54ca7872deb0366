// resnet eval: how often a model is right.
#include <fmt/format.h>

#include "base/error.h"
#include "cli/classifier_options.h"
#include "cli/predict_output.h"
#include "cli/progress.h"
#include "evaluate/evaluate.h"

namespace resnet::cli {
namespace {

struct EvalCommand {
  ClassifierArguments classifier;
  std::string data;
  DatasetOptions dataset;
  EvaluateOptions options;
  bool json = false;
};

// "cat, cow, dog, ... zebra"
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 4;
  if (names.size() <= kShown) return fmt::format("{}", fmt::join(names, ", "));
  return fmt::format("{}, ... {}", fmt::join(names.begin(), names.begin() + kShown - 1, ", "), names.back());
}

void print_json(const EvalCommand& command, const Evaluation& result) {
  fmt::print("{{\"images\":{},\"top1\":{},\"top5\":{},\"wrong_top1\":{},\"wrong_top5\":{},\"loss\":{},", result.images,
             json_number(result.top1()), json_number(result.top5()), result.wrong_top1, result.wrong_top5,
             json_number(result.loss));
  if (command.options.skip_bad) fmt::print("\"skipped\":{},", result.skipped);
  fmt::print("\"images_per_second\":{}}}\n", json_number(result.images_per_second()));
}

void print_plain(const EvalCommand& command, const Evaluation& result) {
  fmt::print("images   {:>8}\n", result.images);
  if (command.options.skip_bad) fmt::print("skipped  {:>8}\n", result.skipped);
  fmt::print("top-1    {:>8.2f} %   {} wrong\n", 100 * result.top1(), result.wrong_top1);
  fmt::print("top-5    {:>8.2f} %   {} wrong\n", 100 * result.top5(), result.wrong_top5);
  fmt::print("loss     {:>8.4f}\n", result.loss);
  fmt::print("speed    {:>8.1f} images/s\n", result.images_per_second());
}

void evaluate_model(EvalCommand& command) {
  const Dataset dataset = Dataset::open(command.data, command.dataset);
  const Classifier classifier = load_classifier(command.classifier);
  const std::vector<std::string> labels = dataset.labels();
  const ClassMap classes(classifier, labels, !command.dataset.labels_file.empty());
  if (classes.alphabetical()) {
    say(fmt::format("{} names no classes: its outputs are taken for {} in alphabetical order", command.classifier.model,
                    some_of(labels)));
  }
  std::optional<std::size_t> total = dataset.count();
  const std::int64_t limit = command.options.limit;
  if (limit >= 0) total = std::min(total.value_or(limit), static_cast<std::size_t>(limit));
  Progress progress("images", total);
  command.options.decode = command.classifier.decode_options();
  command.options.progress = [&](std::int64_t seen) { progress.update(seen); };
  command.options.skipped = [&](const Error& error) {
    progress.clear();
    say(error.what());
  };
  const Evaluation result = evaluate(classifier, *dataset.items(), classes, command.options);
  progress.clear();
  if (result.images == 0) fail(ErrorCode::kFormat, command.data, "no picture could be classified");
  command.json ? print_json(command, result) : print_plain(command, result);
}

}  // namespace

void add_eval(CLI::App& app) {
  CLI::App* sub = app.add_subcommand("eval", "Measure how often a model is right on pictures of known classes");
  auto command = std::make_shared<EvalCommand>();
  add_classifier_arguments(*sub, command->classifier);
  sub->add_option("data", command->data,
                  "Directory of class folders, .tar or .tar.gz whose paths end in CLASS/FILE; or either with --labels")
      ->required();
  sub->add_option("--only", command->dataset.only, "Only this folder of the data: --only test");
  sub->add_option(
         "--labels", command->dataset.labels_file,
         "The files and their classes: lines FILE LABEL, CSV FILE,LABEL or a JSON object; a label is a name or "
         "an index")
      ->check(CLI::ExistingFile);
  sub->add_option("--batch", command->options.batch, "Pictures that run through the network together")
      ->capture_default_str()
      ->check(CLI::Range(1, 4096));
  sub->add_option("--limit", command->options.limit, "Only the first so many pictures")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40));
  sub->add_flag("--skip-bad", command->options.skip_bad, "Count pictures that cannot be read instead of stopping");
  sub->add_flag("--json", command->json, "Print JSON");
  sub->footer(
      "Folders are matched to the model's class names, or to WordNet ids (n01440764) for ImageNet's classes. Where\n"
      "the model names no classes, folders are taken in alphabetical order, and that is said.\n"
      "Examples:\n"
      "  resnet eval model.safetensors imagenet/val\n"
      "  resnet eval resnet20.th --preset cifar cifar10-jpeg.tar.gz --only test");
  sub->callback([command] { evaluate_model(*command); });
}

}  // namespace resnet::cli
