// resnet compare: two models on the same pictures.
#include <fmt/format.h>

#include <map>
#include <numeric>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"
#include "cli/classifier_options.h"
#include "cli/command.h"
#include "cli/data_options.h"
#include "console/json.h"
#include "console/text_table.h"
#include "evaluate/compare.h"

namespace resnet::cli {
namespace {

struct CompareCommand {
  ClassifierArguments classifier;  // but for the model
  std::string a, b;
  DataArguments data;
  std::string report;
  bool json = false;
};

Classifier load(const CompareCommand& command, const std::string& model) {
  ClassifierArguments arguments = command.classifier;
  arguments.model = model;
  return load_classifier(arguments, Head::kNeeded);
}

// For each class of `a` the output of `b` that stands for it: by name where both have names, else by index.
std::vector<int> same_classes(const CompareCommand& command, const Classifier& a, const Classifier& b) {
  if (a.labels().size() != b.labels().size()) {
    fail(ErrorCode::kMismatch, command.b, "{} classes, but {} has {}", b.labels().size(), command.a, a.labels().size());
  }
  std::vector<int> same(a.labels().size());
  std::iota(same.begin(), same.end(), 0);
  if (!a.named() || !b.named() || a.labels() == b.labels()) return same;
  std::map<std::string, int> places;
  for (const int i : same) places.emplace(b.labels()[i], i);
  for (int& i : same) {
    const auto found = places.find(a.labels()[i]);
    if (found == places.end()) {
      fail(ErrorCode::kMismatch, command.b, "has no class '{}', which {} has", a.labels()[i], command.a);
    }
    i = found->second;
    places.erase(found);  // a name that stands twice means two classes
  }
  return same;
}

void print_plain(const Comparison& c) {
  const Evaluation& a = c.a.evaluation;
  const Evaluation& b = c.b.evaluation;
  const auto percent = [](double share) { return fmt::format("{:.2f} %", 100 * share); };
  const auto milliseconds = [](const Evaluation& e) {
    return fmt::format("{:.3f} ms", 1000 * e.network_seconds / static_cast<double>(e.images));
  };
  fmt::print("A        {}\nB        {}\n\n", printable(c.a.card.path), printable(c.b.card.path));
  TextTable table({Align::kLeft, Align::kRight, Align::kRight, Align::kLeft});
  table.row({"", "A", "B"});
  table.row({"pictures", std::to_string(a.images), std::to_string(b.images)});
  table.row({"top-1", percent(a.top1()), percent(b.top1())});
  if (shows_top5(c.labels.size())) table.row({"top-5", percent(a.top5()), percent(b.top5())});
  table.row({"loss", fmt::format("{:.4f}", a.loss), fmt::format("{:.4f}", b.loss)});
  table.row({"speed", milliseconds(a), milliseconds(b), "each in the network"});
  fmt::print("{}\n", table.str());
  fmt::print("only A right {}, only B right {}, both {}, neither {}\n", c.only_a, c.only_b, c.both_right, c.both_wrong);
  fmt::print("McNemar p    {:.3g}\n\n{}.\n", c.p_value, verdict_of(c));
}

void compare(CompareCommand& command) {
  command.data.options.allow_nonfinite = command.classifier.allow_nonfinite;
  const Dataset dataset = open_data(command.data);
  const Classifier a = load(command, command.a);
  const Classifier b = load(command, command.b);
  const std::vector<int> same = same_classes(command, a, b);
  const ClassMap classes_a = match_classes(command.data, dataset, a, command.a);
  const ClassMap classes_b = match_classes(command.data, dataset, b, command.b);
  std::optional<AtomicFile> page;  // found unwritable before the work, not after it
  if (!command.report.empty()) page.emplace(command.report);
  const DecodeOptions decode = command.classifier.decode_options();
  const int classes = static_cast<int>(a.labels().size());

  Comparison result;
  result.data = command.data.name();
  result.a.card = describe_model(command.a, a);  // now: the file may be replaced meanwhile
  result.b.card = describe_model(command.b, b);
  result.labels = a.named() && !b.named() ? a.labels() : b.labels();
  std::vector<PictureVerdict> verdicts;
  result.a.evaluation = evaluate_on(command.data, dataset, a, classes_a, decode, [&](const Judged& picture) {
    PictureVerdict verdict = judge(picture);
    verdict.truth = same[verdict.truth];
    verdict.predicted = same[verdict.predicted];
    verdicts.push_back(std::move(verdict));
  });
  Comparer comparer(verdicts);
  result.b.evaluation =
      evaluate_on(command.data, dataset, b, classes_b, decode, [&](const Judged& picture) { comparer.add(picture); });
  comparer.finish(result);
  result.a.scores = class_scores(verdicts, classes);
  result.b.scores = class_scores(comparer.verdicts(), classes);
  if (page) {
    page->write(comparison_page(result, comparer, b));
    page->commit();
  }
  if (command.json) {
    fmt::print("{}\n", to_json(result).text());
    return;
  }
  print_plain(result);
  if (page) fmt::print("page         {}\n", printable(command.report));
}

}  // namespace

void add_compare(Command& app) {
  Command* sub = app.add_subcommand("compare", "Say which of two models is better, and how surely");
  auto command = std::make_shared<CompareCommand>();
  sub->add_option("A", command->a, "The first model file")->required();
  sub->add_option("B", command->b, "The second, of the same classes")->required();
  add_data_arguments(*sub, command->data);
  sub->add_option("--report", command->report, "Write an .html page")->type_name("FILE");
  sub->add_flag("--json", command->json, "Print JSON");
  add_shared_classifier_options(*sub, command->classifier);
  sub->footer(
      "McNemar's exact test says how likely so uneven a split of the pictures that only one model has right would be,\n"
      "were both equally good.\n"
      "Examples:\n"
      "  resnet compare old.safetensors new.safetensors imagenet/val\n"
      "  resnet compare a.th b.th cifar10.tar.gz --only test --report compare.html");
  sub->callback([command] { compare(*command); });
}

}  // namespace resnet::cli
