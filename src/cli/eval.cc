// resnet eval: how often a model is right.
#include <fmt/format.h>

#include <utility>

#include "base/file.h"
#include "base/text.h"
#include "cli/classifier_options.h"
#include "cli/command.h"
#include "cli/data_options.h"
#include "cli/engine_options.h"
#include "console/json.h"
#include "evaluate/report.h"

namespace resnet::cli {
namespace {

struct EvalCommand {
  ClassifierArguments classifier;
  DataArguments data;
  std::string report;
  bool json = false;
  bool no_check = false;
};

void print_json(const EvalCommand& command, const Evaluation& result) {
  JsonObject json = {{"images", result.images},         {"top1", result.top1()},           {"top5", result.top5()},
                     {"wrong_top1", result.wrong_top1}, {"wrong_top5", result.wrong_top5}, {"loss", result.loss}};
  if (command.data.options.skip_bad) json.add("skipped", result.skipped);
  json.add("images_per_second", result.images_per_second());
  fmt::print("{}\n", json.text());
}

void print_plain(const EvalCommand& command, const Classifier& classifier, const Evaluation& result) {
  fmt::print("pictures {:>8}\n", result.images);
  if (command.data.options.skip_bad) fmt::print("skipped  {:>8}\n", result.skipped);
  fmt::print("top-1    {:>8.2f} %   {} wrong\n", 100 * result.top1(), result.wrong_top1);
  if (shows_top5(classifier.labels().size()))
    fmt::print("top-5    {:>8.2f} %   {} wrong\n", 100 * result.top5(), result.wrong_top5);
  fmt::print("loss     {:>8.4f}\n", result.loss);
  fmt::print("speed    {:>8.1f} pictures/s, {}\n", result.images_per_second(), name(classifier.engine().precision()));
}

void evaluate_model(EvalCommand& command) {
  command.data.options.allow_nonfinite = command.classifier.allow_nonfinite;
  const Dataset dataset = open_data(command.data);
  const std::string& model = command.classifier.model;
  Model loaded = load_classifier_model(command.classifier, Head::kNeeded);
  DriftWatch watch(loaded, model, command.no_check);
  const Classifier classifier = make_classifier(command.classifier, std::move(loaded));
  const DecodeOptions decode = command.classifier.decode_options();
  const ClassMap classes = match_classes(command.data, dataset, classifier, model);
  if (command.report.empty()) {
    const Evaluation result = evaluate_on(command.data, dataset, classifier, classes, decode, {}, &watch);
    return command.json ? print_json(command, result) : print_plain(command, classifier, result);
  }
  AtomicFile file(command.report);                     // found unwritable before the work, not after it
  ModelCard card = describe_model(model, classifier);  // now: the file may be replaced meanwhile
  Recorder recorder(kShownMistakes);
  const Evaluation result = evaluate_on(
      command.data, dataset, classifier, classes, decode, [&](const Judged& picture) { recorder.add(picture); },
      &watch);
  const Report report = make_report(std::move(card), command.data.name(), classifier, result, recorder);
  file.write(report_page(report, classifier, recorder.mistakes()));
  file.commit();
  if (command.json) {
    fmt::print("{}\n", to_json(report).text());
  } else {
    print_plain(command, classifier, result);
    fmt::print("page     {}\n", printable(command.report));
  }
}

}  // namespace

void add_eval(Command& app) {
  Command* sub = app.add_subcommand("eval", "Measure how often a model is right");
  auto command = std::make_shared<EvalCommand>();
  add_model_argument(*sub, command->classifier.model);
  add_data_arguments(*sub, command->data);
  sub->add_option("--report", command->report,
                  "Write an .html page: classes, confusions, mistakes; with heatmaps, calibration and the model")
      ->type_name("FILE");
  sub->add_flag("--json", command->json, "Print JSON; with --report all numbers of the page");
  add_no_check_option(*sub, command->no_check);
  add_classes_option(*sub, command->classifier.classes);
  add_classifier_options(*sub, command->classifier);
  add_streams_option(*sub, command->classifier.engine);
  sub->footer(
      "Folders are matched to the model's class names, or to WordNet ids (n01440764) for ImageNet's classes. Where\n"
      "the model names no classes, folders are taken in alphabetical order, and that is said.\n"
      "Examples:\n"
      "  resnet eval model.safetensors imagenet/val\n"
      "  resnet eval resnet20.th --preset cifar cifar10-jpeg.tar.gz --only test\n"
      "  resnet eval model.safetensors imagenet/val --report report.html");
  sub->callback([command] { evaluate_model(*command); });
}

}  // namespace resnet::cli
