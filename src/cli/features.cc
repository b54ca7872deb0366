// resnet features: a vector per picture.
#include <fmt/format.h>
#include <unistd.h>

#include <iterator>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "cli/classifier_options.h"
#include "cli/command.h"
#include "cli/inputs.h"
#include "console/csv.h"
#include "console/json.h"
#include "evaluate/file_hash.h"
#include "evaluate/input.h"
#include "explain/index.h"
#include "formats/npy.h"
#include "resnet/explain.h"

namespace resnet::cli {
namespace {

constexpr int kBatch = 8;  // pictures of one size that run through the network together

struct FeaturesCommand {
  ClassifierArguments classifier;
  std::vector<std::string> inputs;
  std::string output;
  std::string layer = "avgpool";
  bool json = false;

  bool csv() const { return output.ends_with(".csv"); }
};

// Rows as they come, to the one file or the other.
class RowWriter {
 public:
  RowWriter(const FeaturesCommand& command, const Classifier& classifier, int size, std::string model_sha256) {
    if (command.csv()) {
      csv_.emplace(command.output);
      std::string header = "path";
      for (int i = 0; i < size; ++i) header += fmt::format(",f{}", i);
      csv_->write(header + "\n");
    } else {
      npy_.emplace(command.output, size);
    }
    notes_.model = command.classifier.model;
    notes_.model_sha256 = std::move(model_sha256);
    notes_.architecture = command.classifier.architecture;
    notes_.take = command.classifier.which.take;
    notes_.head = command.classifier.which.head;
    if (command.classifier.which.fields.changes() != ArchitectureChanges()) notes_.network = classifier.architecture();
    notes_.precision = classifier.engine().precision();
    notes_.layer = command.layer;
    notes_.apply_orientation = !command.classifier.ignore_orientation;
    notes_.preprocessing = classifier.preprocessing();
  }

  void add(const std::string& path, std::span<const float> row) {
    ++count_;
    if (npy_) {
      npy_->add(row);
      notes_.paths.push_back(path);
      return;
    }
    std::string text = csv_field(path);
    for (const float value : row) fmt::format_to(std::back_inserter(text), ",{}", value);
    csv_->write(text + '\n');
  }

  void commit() {
    if (csv_) return csv_->commit();
    npy_->commit(to_json(notes_));
  }

  std::size_t count() const { return count_; }

 private:
  std::optional<AtomicFile> csv_;
  std::optional<NpyRowWriter> npy_;
  IndexNotes notes_;
  std::size_t count_ = 0;
};

void write_features(const FeaturesCommand& command) {
  if (!command.csv() && !command.output.ends_with(".npy")) {
    throw Usage(fmt::format("-o {}: the name must end in .npy or .csv", command.output));
  }
  const Inputs inputs = list_inputs(command.inputs);
  std::string model_sha256;  // of what is loaded: the file may be replaced meanwhile
  if (!command.csv()) model_sha256 = digest_of_model(command.classifier.model).sha256;
  const Classifier classifier = load_classifier(command.classifier);
  const Embedder embedder(classifier, command.layer);
  const DecodeOptions decode = command.classifier.decode_options();
  RowWriter writer(command, classifier, embedder.size(), std::move(model_sha256));
  AnswerCheck answers(command.classifier.allow_nonfinite, inputs.count());
  const auto size = static_cast<std::size_t>(embedder.size());
  InputBatch batch(kBatch, [&](const InputBatch& full) {
    const std::vector<float> rows = embedder.embed(full.values(), full.shape());
    for (std::size_t i = 0; i < full.paths().size(); ++i) {
      const std::span<const float> row = std::span(rows).subspan(i * size, size);
      if (answers.take(row, full.paths()[i])) writer.add(full.paths()[i], row);
    }
  });
  const std::int64_t bad = read_inputs<Input>(
      inputs, [&](const Item& item) { return read_input(item, classifier, decode); }, 2 * kBatch, true,
      [&](const std::string& path, const Input& input) {
        say_notes(path, input.notes);
        batch.add(path, input);
      });
  batch.run();
  if (writer.count() == 0) answers.finish();
  if (writer.count() == 0) fail(ErrorCode::kFormat, "", "none of {} inputs could be read", inputs.count());
  writer.commit();
  if (command.json) {
    const JsonObject json = {
        {"images", writer.count()}, {"size", embedder.size()}, {"layer", embedder.layer()}, {"output", command.output}};
    fmt::print("{}\n", json.text());
  }
  fail_if_bad(bad, inputs.count());
  answers.finish();
}

}  // namespace

void add_features(Command& app) {
  Command* sub = app.add_subcommand("features", "Write the vectors that stand for pictures");
  auto command = std::make_shared<FeaturesCommand>();
  add_model_argument(*sub, command->classifier.model);
  sub->add_option("PICTURES", command->inputs, kInputsHelp)->required();
  sub->add_option("-o,--out,--output", command->output,
                  "The .npy or .csv file; .npy: float32, a row per picture, and what `resnet similar` needs")
      ->type_name("FILE")
      ->required();
  sub->add_option("--layer", command->layer,
                  "Which vectors; avgpool: what the classifier sees. layer3, layer3.0: a stage or block, averaged over "
                  "its pixels")
      ->type_name("LAYER")
      ->capture_default_str();
  sub->add_flag("--json", command->json, "Print what was written as JSON");
  add_classifier_options(*sub, command->classifier);
  sub->footer(
      "Pictures that cannot be read have no row.\n"
      "Examples:\n"
      "  resnet features model.safetensors photos/ -o photos.npy\n"
      "  resnet features model.safetensors photos/ -o photos.csv --layer layer3");
  sub->callback([command] { write_features(*command); });
}

}  // namespace resnet::cli
