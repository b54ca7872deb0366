// resnet check: whether a file's network and preprocessing are those that its weights were trained with.
#include "resnet/check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "base/error.h"
#include "base/text.h"
#include "cli/checking.h"
#include "cli/classifier_options.h"
#include "cli/command.h"
#include "console/json.h"
#include "console/output.h"
#include "console/text_table.h"
#include "weights/open_fields.h"

namespace resnet::cli {
namespace {

constexpr std::size_t kShown = 10;  // hypotheses

struct CheckCommand {
  ClassifierArguments classifier;
  CheckPictures pictures;
  bool json = false;
};

// A model, and what of it somebody said: the file or a flag.
struct Stated {
  Model model;
  bool preprocessing = false;
};

Stated load(const ClassifierArguments& arguments) {
  Stated stated{load_network(arguments), false};
  const PreprocessOptions& flags = arguments.preprocess;
  stated.preprocessing =
      stated.model.preprocessing || flags.preset || !flags.mean.empty() || !flags.std.empty() || flags.channels;
  settle_preprocessing(arguments, stated.model);
  return stated;
}

// As people write it: values of 0..255 where the standard deviations are of such.
struct Written {
  std::vector<double> mean, std;
  const char* range;
};

Written written(const Preprocessing& how) {
  const bool bytes = std::all_of(how.std.begin(), how.std.end(), [](float std) { return std < 0.02F; });
  const double unit = bytes ? 255 : 1;
  Written result{{}, {}, bytes ? "0..255" : "0..1"};
  const auto shortened = [&](float value) { return std::round(value * unit * 1e5) / 1e5; };
  std::transform(how.mean.begin(), how.mean.end(), std::back_inserter(result.mean), shortened);
  std::transform(how.std.begin(), how.std.end(), std::back_inserter(result.std), shortened);
  return result;
}

// Whether somebody said what turned out to be otherwise.
bool was_said(const Stated& stated, const Hypothesis& said, const Hypothesis& found,
              const std::vector<std::string>& open) {
  if (said.preprocessing != found.preprocessing && stated.preprocessing) return true;
  const std::vector<ToldField>& assumed = stated.model.finding.assumed;
  return std::any_of(open.begin(), open.end(), [&](const std::string& name) {
    const ArchitectureField& field = field_called(name);
    if (value_text(field, said.architecture) == value_text(field, found.architecture)) return false;
    return std::none_of(assumed.begin(), assumed.end(), [&](const ToldField& told) { return told.name == name; });
  });
}

Json field_json(const ArchitectureField& field, const Architecture& architecture) {
  const FieldValue value = get(field, architecture);
  if (std::holds_alternative<std::vector<int>>(value) || std::holds_alternative<std::string>(value) ||
      std::holds_alternative<int>(value)) {  // with what is usual said
    const std::string text = value_text(field, architecture);
    if (std::holds_alternative<std::string>(value)) return text;
    std::vector<int> numbers;
    std::istringstream parts(text);
    for (std::string part; std::getline(parts, part, ',');) numbers.push_back(std::stoi(part));
    return std::holds_alternative<int>(value) ? Json(numbers.front()) : Json(numbers);
  }
  return std::visit([](const auto& plain) { return Json(plain); }, value);
}

void print_json(const Checked& checked) {
  const CheckReport& report = checked.report;
  JsonArray weights, hypotheses;
  for (const WeightProblem& problem : report.weights) {
    weights.add(JsonObject{{"tensor", problem.tensor}, {"problem", problem.text}});
  }
  for (const Hypothesis& hypothesis : report.hypotheses) {
    const Written how = written(hypothesis.preprocessing);
    JsonObject json = {{"distance", hypothesis.distance},
                       {"mean", how.mean},
                       {"std", how.std},
                       {"channels", name(hypothesis.preprocessing.channels)},
                       {"range", how.range}};
    for (const std::string& name : with_slope(report.open)) {
      json.add(name, field_json(field_called(name), hypothesis.architecture));
    }
    json.add("stated", &hypothesis == &report.hypotheses[report.stated]);
    hypotheses.add(json);
  }
  JsonObject json = {{"verdict", name(report.verdict)}, {"contradicted", report.contradicted},
                     {"flags", checked.flags},          {"pictures", report.pictures},
                     {"drawn", checked.drawn},          {"weights", weights},
                     {"hypotheses", hypotheses}};
  fmt::print("{}\n", json.text());
}

// What tells a hypothesis from the others.
std::string words(const Hypothesis& hypothesis, const Hypothesis& stated, const std::vector<std::string>& open) {
  const Written how = written(hypothesis.preprocessing);
  std::string text = fmt::format("mean {:g}  std {:g}", fmt::join(how.mean, " "), fmt::join(how.std, " "));
  if (hypothesis.preprocessing.mean.size() == 3) text += fmt::format("  {}", name(hypothesis.preprocessing.channels));
  text += fmt::format("  {}", how.range);
  for (const std::string& name : with_slope(open)) {
    const ArchitectureField& field = field_called(name);
    const std::string value = value_text(field, hypothesis.architecture);
    if (value != value_text(field, stated.architecture)) text += fmt::format("  {} {}", name, value);
  }
  return text;
}

void print_plain(const Checked& checked) {
  const CheckReport& report = checked.report;
  for (const WeightProblem& problem : report.weights) {
    fmt::print("weights   {}: {}\n", printable(problem.tensor), problem.text);
  }
  const Hypothesis& stated = report.hypotheses[report.stated];
  TextTable table({Align::kRight, Align::kLeft, Align::kLeft});
  table.row({"distance", "", "hypothesis"});
  table.rule();
  for (std::size_t i = 0; i < report.hypotheses.size(); ++i) {
    if (i >= kShown && i != report.stated) continue;
    const Hypothesis& hypothesis = report.hypotheses[i];
    table.row({fmt::format("{:.4f}", hypothesis.distance), i == report.stated ? "*" : "",
               words(hypothesis, stated, report.open)});
  }
  fmt::print("{}", table.str());
  fmt::print("{} {}, {} hypotheses; * is what the model says, or what is assumed of it\n", report.pictures,
             checked.drawn ? "drawn pictures" : "pictures", report.hypotheses.size());
  fmt::print("verdict   {}\n", in_words(report));
  if (!checked.flags.empty()) fmt::print("flags     {}\n", checked.flags);
  if (checked.drawn) {
    fmt::print("Drawn pictures tell the scale of values, no more; say pictures like those of the training.\n");
  }
}

void run(const CheckCommand& command) {
  const Stated stated = load(command.classifier);
  CheckPictures pictures = command.pictures;
  pictures.decode = command.classifier.decode_options();
  const Checked checked = run_check(stated.model, pictures, command.classifier.engine.threads);
  command.json ? print_json(checked) : print_plain(checked);
  const CheckReport& report = checked.report;
  if (report.contradicted && !checked.drawn &&
      was_said(stated, report.hypotheses[report.stated], report.hypotheses.front(), report.open)) {
    flush_output();
    fail(ErrorCode::kMismatch, command.classifier.model, "its batch norms contradict what it says, or the flags: {}",
         checked.flags);
  }
}

}  // namespace

void add_check(Command& app) {
  Command* sub = app.add_subcommand("check", "Tell whether a file is used as it was trained");
  auto command = std::make_shared<CheckCommand>();
  add_model_argument(*sub, command->classifier.model);
  sub->add_option("PICTURES", command->pictures.paths,
                  "Some like those of the training; files, folders, archives. Without any some are drawn");
  sub->add_option("--only", command->pictures.only, "This folder of them alone, such as val")->type_name("FOLDER");
  sub->add_option("--limit", command->pictures.limit,
                  "Pictures at most, spread evenly; 64, or 16 of those larger than 64x64")
      ->check(Range(2, 4096));
  sub->add_flag("--json", command->json, "Print JSON: verdict, flags, weights, hypotheses");
  add_classifier_options(*sub, command->classifier, /*runs=*/false);
  sub->footer(
      "Batch norms remember what went into each layer in training. The nearer what goes in now is to that, the "
      "likelier\n"
      "is a hypothesis about mean and std, range, order of channels, the stem's pooling, strides, activation.\n"
      "Ends with status 1 where what the file or a flag says is contradicted.\n"
      "Examples:\n"
      "  resnet check resnet20.th --preset cifar cifar10-jpeg.tar.gz --only test\n"
      "  resnet check model.safetensors photos/ --json");
  sub->callback([command] { run(*command); });
}

}  // namespace resnet::cli
