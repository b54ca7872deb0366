#include "cli/data_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "cli/inputs.h"
#include "cli/option_words.h"
#include "console/output.h"
#include "console/progress.h"
#include "evaluate/data_notes.h"

namespace resnet::cli {

void say_parts(const std::string& path, const Dataset& dataset, const char* done) {
  if (const std::string note = parts_note(path, dataset, done); !note.empty()) say(note);
}

Dataset open_data(const DataArguments& arguments) {
  Dataset dataset = Dataset::open(arguments.path, arguments.dataset);
  say_parts(arguments.path, dataset, "judged");
  return dataset;
}

std::string DataArguments::name() const {
  const std::filesystem::path place(path);
  const std::string last = (place.has_filename() ? place : place.parent_path()).filename().string();
  return dataset.only.empty() ? last : last + "/" + dataset.only;
}

void add_data_arguments(Command& command, DataArguments& arguments) {
  command
      .add_option("DATA", arguments.path,
                  "Folder or archive of class folders; or CIFAR's data as they are handed out. Archives are .tar, "
                  ".tar.gz, .zip "
                  "and others. With --labels pictures in any folders")
      ->required();
  command.add_option("--only", arguments.dataset.only, "This folder of the data alone, such as val")
      ->type_name("FOLDER");
  command
      .add_option(
          "--labels", arguments.dataset.labels_file,
          "Which picture has which class; lines FILE LABEL, CSV FILE,LABEL or a JSON object. A label is a name or "
          "an index")
      ->type_name("FILE")
      ->check(kExistingFile);
  command.add_option("--batch", arguments.options.batch, "Pictures that run through the network together")
      ->capture_default_str()
      ->check(Range(1, 4096))
      ->group(kMoreOptions);
  command
      .add_option("--limit", arguments.options.limit,
                  "So many pictures, as many of each class; the same ones each time")
      ->check(Range(std::int64_t{1}, std::int64_t{1} << 40));
  command.add_flag("--skip-bad", arguments.options.skip_bad, "Count pictures that cannot be read instead of stopping")
      ->group(kMoreOptions);
}

ClassMap match_classes(const DataArguments& arguments, const Dataset& dataset, const Classifier& classifier,
                       const std::string& model) {
  refuse_parts(arguments.path, dataset, classifier);
  ClassMap classes(classifier, dataset.labels(), dataset.labels_may_be_indices(), model);
  if (const std::string note = labels_note(arguments.path, dataset, classes, model); !note.empty()) say(note);
  return classes;
}

Evaluation evaluate_on(const DataArguments& arguments, const Dataset& dataset, const Classifier& classifier,
                       const ClassMap& classes, const DecodeOptions& decode, std::function<void(const Judged&)> judged,
                       DriftWatch* watch) {
  const std::int64_t limit = arguments.options.limit;
  std::size_t total = dataset.count();
  if (limit >= 0) total = std::min(total, static_cast<std::size_t>(limit));
  Progress progress("images", total);
  EvaluateOptions options = arguments.options;
  options.decode = decode;
  const auto warn = [&](const std::string& warning) {
    if (warning.empty()) return;
    progress.clear();
    say(warning);
  };
  options.judged = [&](const Judged& picture) {
    if (watch != nullptr && !picture.path.ends_with(".npy")) {  // arrays are prepared by others
      warn(watch->add(picture.input, classifier.input_shape()));
    }
    if (judged) judged(picture);
  };
  options.noted = say_notes;
  options.progress = [&](std::int64_t seen) { progress.update(seen); };
  options.skipped = [&](const Error& error) {
    progress.clear();
    say(error.what());
  };
  const Evaluation result = evaluate(classifier, *dataset.items(limit), classes, options);
  progress.clear();
  if (watch != nullptr) warn(watch->finish());
  if (result.images == 0) {
    const std::string& only = arguments.dataset.only;
    fail(ErrorCode::kFormat, arguments.path, "no picture {}could be classified",
         only.empty() ? "" : fmt::format("of its folder '{}' ", only));
  }
  return result;
}

}  // namespace resnet::cli
