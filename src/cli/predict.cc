// resnet predict: the most probable classes of pictures.
#include <fmt/format.h>
#include <unistd.h>

#include "base/text.h"
#include "cli/classifier_options.h"
#include "cli/command.h"
#include "cli/drift_watch.h"
#include "cli/engine_options.h"
#include "cli/inputs.h"
#include "console/answer.h"
#include "console/output.h"
#include "evaluate/input.h"

namespace resnet::cli {
namespace {

constexpr int kBatch = 8;  // pictures of one size that run through the network together

struct PredictCommand {
  ClassifierArguments classifier;
  std::vector<std::string> inputs;
  int top = 5;
  bool csv = false;
  bool json = false;
  bool logits = false;
  bool no_check = false;

  AnswerFormat format() const {
    if (json) return AnswerFormat::kJson;
    return csv ? AnswerFormat::kCsv : AnswerFormat::kPlain;
  }
};

// Prints pictures in their order.
class Predictor {
 public:
  Predictor(const PredictCommand& command, const Classifier& classifier, std::size_t inputs)
      : command_(command), classifier_(classifier), answers_(command.classifier.allow_nonfinite, inputs) {
    fmt::print("{}", answer_header(command.format(), command.logits));
  }

  void run(const InputBatch& batch) {
    const std::vector<float> logits = classifier_.logits(batch.values(), batch.shape());
    const std::size_t classes = classifier_.labels().size();
    for (std::size_t i = 0; i < batch.paths().size(); ++i) {
      const std::span<const float> row = std::span(logits).subspan(i * classes, classes);
      if (answers_.take(row, batch.paths()[i])) print(batch.paths()[i], row);
    }
    flush_output();
  }

  void finish() const { answers_.finish(); }

 private:
  void print(const std::string& path, std::span<const float> logits) {
    const auto shown = [this](const std::string& name) { return for_eyes_ ? printable(name) : name; };
    Answer answer{shown(path), {}, {}};
    for (const Guess& guess : classifier_.top(logits, command_.top)) {
      answer.classes.push_back({guess.index, shown(guess.label), guess.probability});
    }
    if (command_.logits) answer.logits = logits;
    if (command_.format() == AnswerFormat::kPlain && !first_) fmt::print("\n");
    first_ = false;
    fmt::print("{}", format_answer(command_.format(), answer));
  }

  const PredictCommand& command_;
  const Classifier& classifier_;
  AnswerCheck answers_;
  bool for_eyes_ = command_.csv && ::isatty(STDOUT_FILENO) == 1;  // CSV for programs holds names as they are
  bool first_ = true;
};

// Classifies everything that can be read; then fails if something could not.
void predict(const PredictCommand& command) {
  const Inputs inputs = list_inputs(command.inputs);
  Model model = load_classifier_model(command.classifier, Head::kNeeded);
  DriftWatch watch(model, command.classifier.model, command.no_check);
  const Classifier classifier = make_classifier(command.classifier, std::move(model));
  const auto warn = [](const std::string& warning) {
    if (!warning.empty()) say(warning);
  };
  const DecodeOptions decode = command.classifier.decode_options();
  Predictor predictor(command, classifier, inputs.count());
  InputBatch batch(kBatch, [&](const InputBatch& full) { predictor.run(full); });
  const std::int64_t bad = read_inputs<Input>(
      inputs, [&](const Item& item) { return read_input(item, classifier, decode); }, 2 * kBatch,
      ::isatty(STDOUT_FILENO) == 0,
      [&](const std::string& path, const Input& input) {
        say_notes(path, input.notes);
        if (!path.ends_with(".npy")) warn(watch.add(input.values, input.shape));  // arrays are prepared by others
        batch.add(path, input);
      });
  batch.run();
  warn(watch.finish());
  fail_if_bad(bad, inputs.count());
  predictor.finish();
}

}  // namespace

void add_predict(Command& app) {
  Command* sub = app.add_subcommand("predict", "Say what pictures show: their most probable classes");
  auto command = std::make_shared<PredictCommand>();
  add_model_argument(*sub, command->classifier.model);
  sub->add_option("PICTURES", command->inputs, kInputsHelp)->required();
  sub->add_option("--top", command->top, "How many classes")->capture_default_str()->check(Range(1, 10'000'000));
  Option* csv = sub->add_flag("--csv", command->csv, "A line of CSV per class");
  sub->add_flag("--json", command->json, "A line of JSON per picture")->excludes(csv);
  sub->add_flag("--logits", command->logits, "The network's scores too; all as JSON, those shown otherwise");
  add_no_check_option(*sub, command->no_check);
  add_classes_option(*sub, command->classifier.classes);
  add_classifier_options(*sub, command->classifier);
  add_streams_option(*sub, command->classifier.engine);
  sub->footer(
      "Examples:\n"
      "  resnet predict model.safetensors cat.jpg\n"
      "  resnet predict model.safetensors --json photos/ > photos.jsonl\n"
      "  resnet predict model.safetensors - < cat.jpg");
  sub->callback([command] { predict(*command); });
}

}  // namespace resnet::cli
