// resnet check: whether a file's network and preprocessing are those that its weights were trained with.
#include "resnet/check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "arch/schema.h"
#include "base/error.h"
#include "base/text.h"
#include "cli/classifier_options.h"
#include "cli/command.h"
#include "cli/inputs.h"
#include "console/json.h"
#include "console/output.h"
#include "console/progress.h"
#include "console/text_table.h"
#include "evaluate/input.h"
#include "weights/open_fields.h"

namespace resnet::cli {
namespace {

constexpr std::size_t kShown = 10;   // hypotheses
constexpr std::int64_t kSmall = 64;  // of the pictures' sides
constexpr int kManySmall = 64, kFewLarge = 16;

struct CheckCommand {
  ClassifierArguments classifier;
  std::vector<std::string> pictures;
  std::string only;
  std::optional<int> limit;
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

bool is_picture_file(const std::string& path) {
  return path == "-" || (looks_like_input(path) && !looks_like_set(path));
}

// Pictures as values in 0..1, evenly over what was named and over classes.
std::vector<float> read_pictures(const CheckCommand& command, const Preprocessing& stated, std::int64_t limit,
                                 FeatureShape& shape) {
  Preprocessing how = stated;
  how.channels = ChannelOrder::kRgb;
  std::fill(how.mean.begin(), how.mean.end(), 0.0F);
  std::fill(how.std.begin(), how.std.end(), 1.0F);
  const DecodeOptions decode = command.classifier.decode_options();
  std::vector<float> values;
  std::int64_t bad = 0;
  const auto add = [&](Item item) {
    const std::size_t before = values.size();
    values.resize(before + static_cast<std::size_t>(shape.count()));
    try {
      read_standard_input(item);
      const ItemBytes file(item);
      load_input(file.get(), item.path, how, std::span(values).subspan(before), decode);
    } catch (const Error& error) {
      say(error.what());
      values.resize(before);
      ++bad;
    }
  };
  const auto arguments = static_cast<std::int64_t>(command.pictures.size());
  for (std::int64_t i = 0; i < arguments; ++i) {
    const std::string& path = command.pictures[static_cast<std::size_t>(i)];
    const std::int64_t share = (i + 1) * limit / arguments - i * limit / arguments;
    if (is_picture_file(path)) {
      if (share > 0) add({path, "", std::nullopt});
      continue;
    }
    DatasetOptions options;
    options.only = command.only;
    options.classes = false;
    const std::unique_ptr<Source> source = Dataset::open(path, options).items(share);
    while (std::optional<Item> item = source->next()) add(std::move(*item));
  }
  const auto count = static_cast<std::int64_t>(values.size()) / shape.count();
  if (count < 2) {
    fail(ErrorCode::kInvalidArgument, "pictures", "{} could be read, but a check needs two at least{}", count,
         bad > 0 ? "" : "; 16 tell most things, 64 nearly all");
  }
  shape.batch = count;
  return values;
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

const ArchitectureField& field_called(std::string_view name) {
  const std::span<const ArchitectureField> fields = architecture_fields();
  return *std::find_if(fields.begin(), fields.end(),
                       [&](const ArchitectureField& field) { return field.name == name; });
}

// The slope belongs to the activation.
std::vector<std::string> with_slope(std::vector<std::string> fields) {
  if (std::find(fields.begin(), fields.end(), "activation") != fields.end()) fields.emplace_back("negative_slope");
  return fields;
}

// The flags that make `from` the network and preprocessing of `to`.
std::string flags_to(const Hypothesis& from, const Hypothesis& to, const std::vector<std::string>& open) {
  std::string text;
  const auto add = [&](const std::string& flag) { text += (text.empty() ? "" : " ") + flag; };
  const Preprocessing& how = to.preprocessing;
  if (how.mean != from.preprocessing.mean || how.std != from.preprocessing.std) {
    add(fmt::format("--mean {} --std {}", fmt::join(how.mean, ","), fmt::join(how.std, ",")));
  }
  if (how.channels != from.preprocessing.channels) add(fmt::format("--channel-order {}", name(how.channels)));
  for (const std::string& name : with_slope(open)) {
    const ArchitectureField& field = field_called(name);
    const std::string value = value_text(field, to.architecture);
    if (value == value_text(field, from.architecture)) continue;
    add(fmt::format("{}{}{}", flag_of(name), is_switch(field) ? "=" : " ", value));
  }
  return text;
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

void print_json(const CheckReport& report, const std::string& flags, bool drawn) {
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
  JsonObject json = {{"verdict", name(report.verdict)},
                     {"contradicted", report.contradicted},
                     {"flags", flags},
                     {"pictures", report.pictures},
                     {"drawn", drawn},
                     {"weights", weights},
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

void print_plain(const CheckReport& report, const std::string& flags, bool drawn) {
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
             drawn ? "drawn pictures" : "pictures", report.hypotheses.size());
  const char* meaning = report.verdict == Verdict::kCannotTell
                            ? "the nearest ones are too close to each other, or none is near"
                        : report.contradicted ? "the model was trained otherwise"
                                              : "the model is what it says";
  fmt::print("verdict   {}: {}\n", name(report.verdict), meaning);
  if (!flags.empty()) fmt::print("flags     {}\n", flags);
  if (drawn) {
    fmt::print("Drawn pictures tell the scale of values, no more; say pictures like those of the training.\n");
  }
}

void run(const CheckCommand& command) {
  const Stated stated = load(command.classifier);
  const Preprocessing& how = *stated.model.preprocessing;
  const std::int64_t usual = std::max(how.height, how.width) <= kSmall ? kManySmall : kFewLarge;
  const std::int64_t limit = command.limit ? *command.limit : usual;
  FeatureShape shape = {1, stated.model.architecture.in_channels, how.height, how.width};
  const bool drawn = command.pictures.empty();
  std::vector<float> pictures;
  if (drawn) {
    shape.batch = limit;
    pictures = draw_pictures(shape);
  } else {
    pictures = read_pictures(command, how, limit, shape);
  }
  Progress progress("hypotheses", std::nullopt);
  CheckOptions options;
  options.threads = command.classifier.engine.threads;
  options.first_norm_alone = drawn;
  options.progress = [&](std::size_t done, std::size_t) { progress.update(static_cast<std::int64_t>(done)); };
  CheckReport report = check_model(stated.model, pictures, shape, options);
  progress.clear();
  if (drawn && report.verdict == Verdict::kSure) report.verdict = Verdict::kLikely;
  const Hypothesis& nearest = report.hypotheses.front();
  const Hypothesis& said = report.hypotheses[report.stated];
  const std::string flags = report.contradicted ? flags_to(said, nearest, report.open) : "";
  command.json ? print_json(report, flags, drawn) : print_plain(report, flags, drawn);
  if (report.contradicted && !drawn && was_said(stated, said, nearest, report.open)) {
    flush_output();
    fail(ErrorCode::kMismatch, command.classifier.model, "its batch norms contradict what it says, or the flags: {}",
         flags);
  }
}

}  // namespace

void add_check(Command& app) {
  Command* sub = app.add_subcommand("check", "Tell whether network and preprocessing are those of the training");
  auto command = std::make_shared<CheckCommand>();
  add_classifier_arguments(*sub, command->classifier, false);
  sub->add_option("pictures", command->pictures,
                  "Pictures like those of the training: files, folders, archives; drawn ones where none are named");
  sub->add_option("--only", command->only, "Of a folder or archive this folder alone");
  sub->add_option("--limit", command->limit, "Pictures at most, spread evenly (64; 16 larger than 64x64)")
      ->check(Range(2, 4096));
  sub->add_flag("--json", command->json, "Print JSON: verdict, flags, weights, hypotheses");
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
