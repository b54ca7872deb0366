// resnet predict: the most probable classes of pictures.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "cli/classifier_options.h"
#include "cli/predict_output.h"
#include "cli/progress.h"
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

  PredictFormat format() const {
    if (json) return PredictFormat::kJson;
    return csv ? PredictFormat::kCsv : PredictFormat::kPlain;
  }
};

// Directories are opened; what is named must be there before work begins.
std::vector<std::string> list_inputs(const std::vector<std::string>& arguments) {
  std::vector<std::string> files;
  for (const std::string& argument : arguments) {
    if (argument != "-" && !std::filesystem::exists(argument)) {
      fail(ErrorCode::kNotFound, argument, "there is no such file or directory");
    }
    if (argument == "-" || !std::filesystem::is_directory(argument)) {
      files.push_back(argument);
      continue;
    }
    const std::vector<std::string> found = list_files(argument, looks_like_input);
    if (found.empty()) fail(ErrorCode::kNotFound, argument, "there are no pictures in this directory");
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

class FileSource : public Source {
 public:
  explicit FileSource(const std::vector<std::string>& files) : files_(files) {}

  std::optional<Item> next() override {
    if (next_ == files_.size()) return std::nullopt;
    Item item;
    item.path = files_[next_++];
    if (item.path == "-") item.bytes = read_stream(STDIN_FILENO, "standard input", kMaxFileBytes);
    return item;
  }

 private:
  const std::vector<std::string>& files_;
  std::size_t next_ = 0;
};

// Collects pictures of one size, runs them together and prints them in their order.
class Predictor {
 public:
  Predictor(const PredictCommand& command, const Classifier& classifier) : command_(command), classifier_(classifier) {
    fmt::print("{}", predict_header(command.format(), command.logits));
  }

  void add(const std::string& path, const Input& input) {
    const FeatureShape& s = input.shape;
    const bool same_size = FeatureShape{s.batch, shape_.channels, shape_.height, shape_.width} == s;
    if (!same_size || shape_.batch + s.batch > kBatch) run();
    shape_ = {shape_.batch + s.batch, s.channels, s.height, s.width};
    values_.insert(values_.end(), input.values.begin(), input.values.end());
    for (std::int64_t i = 0; i < s.batch; ++i) {
      paths_.push_back(s.batch == 1 ? path : fmt::format("{}[{}]", path, i));
    }
  }

  void run() {
    if (paths_.empty()) return;
    const std::vector<float> logits = classifier_.logits(values_, shape_);
    const std::size_t classes = logits.size() / paths_.size();
    for (std::size_t i = 0; i < paths_.size(); ++i) print(paths_[i], std::span(logits).subspan(i * classes, classes));
    flush_output();
    shape_ = {};
    values_.clear();
    paths_.clear();
  }

 private:
  void print(const std::string& path, std::span<const float> logits) {
    const std::vector<Guess> guesses = classifier_.top(logits, command_.top);
    if (command_.format() == PredictFormat::kPlain && !first_) fmt::print("\n");
    first_ = false;
    fmt::print("{}", format_prediction(command_.format(), command_.logits, path, guesses, logits));
  }

  const PredictCommand& command_;
  const Classifier& classifier_;
  bool first_ = true;
  FeatureShape shape_;
  std::vector<float> values_;
  std::vector<std::string> paths_;
};

// Classifies everything that can be read; then fails if something could not.
void predict(const PredictCommand& command) {
  const std::vector<std::string> files = list_inputs(command.inputs);
  const Classifier classifier = load_classifier(command.classifier);
  FileSource source(files);
  if (files.size() == 1) {  // its error is the command's
    const Item item = *source.next();
    Predictor predictor(command, classifier);
    predictor.add(item.path, read_input(item, classifier, command.classifier.decode_options()));
    return predictor.run();
  }
  Predictor predictor(command, classifier);
  InputReader reader(classifier, source, command.classifier.decode_options(), kBatch);
  Progress progress("pictures", files.size());
  const bool show_progress = ::isatty(STDOUT_FILENO) == 0;
  std::int64_t seen = 0;
  std::int64_t bad = 0;
  while (const auto item = reader.next()) {
    if (item->value) predictor.add(item->path, *item->value);
    if (item->error) {
      ++bad;
      progress.clear();
      say(item->error->what());
    }
    if (show_progress) progress.update(++seen);
  }
  predictor.run();
  if (bad > 0) fail(ErrorCode::kFormat, "", "{} of {} inputs could not be read", bad, files.size());
}

}  // namespace

void add_predict(CLI::App& app) {
  CLI::App* sub = app.add_subcommand("predict", "Print the most probable classes of pictures");
  auto command = std::make_shared<PredictCommand>();
  add_classifier_arguments(*sub, command->classifier);
  sub->add_option("input", command->inputs,
                  "JPEG, PNG or WebP files, .npy arrays (NxCxHxW float32, already preprocessed), directories of them, "
                  "or - for standard input")
      ->required();
  sub->add_option("--top", command->top, "How many classes")->capture_default_str()->check(CLI::Range(1, 10'000'000));
  CLI::Option* csv = sub->add_flag("--csv", command->csv, "A line of CSV per class");
  sub->add_flag("--json", command->json, "A line of JSON per picture")->excludes(csv);
  sub->add_flag("--logits", command->logits, "The network's scores too: all as JSON, those shown otherwise");
  sub->footer(
      "Examples:\n"
      "  resnet predict model.safetensors cat.jpg\n"
      "  resnet predict model.safetensors --json photos/ > photos.jsonl\n"
      "  resnet predict model.safetensors - < cat.jpg");
  sub->callback([command] { predict(*command); });
}

}  // namespace resnet::cli
