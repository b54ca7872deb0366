#include "cli/data_options.h"

#include <fmt/format.h>

#include <filesystem>

#include "base/error.h"
#include "cli/inputs.h"
#include "console/output.h"
#include "console/progress.h"

namespace resnet::cli {
namespace {

// "cat, cow, dog, ... zebra"
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 4;
  if (names.size() <= kShown) return fmt::format("{}", fmt::join(names, ", "));
  return fmt::format("{}, ... {}", fmt::join(names.begin(), names.begin() + kShown - 1, ", "), names.back());
}

}  // namespace

std::string DataArguments::name() const {
  const std::filesystem::path place(path);
  const std::string last = (place.has_filename() ? place : place.parent_path()).filename().string();
  return dataset.only.empty() ? last : last + "/" + dataset.only;
}

void add_data_arguments(Command& command, DataArguments& arguments) {
  command
      .add_option("data", arguments.path,
                  "Directory of class folders, .tar or .tar.gz whose paths end in CLASS/FILE; or either with --labels")
      ->required();
  command.add_option("--only", arguments.dataset.only, "Only this folder of the data: --only test");
  command
      .add_option(
          "--labels", arguments.dataset.labels_file,
          "The files and their classes: lines FILE LABEL, CSV FILE,LABEL or a JSON object; a label is a name or "
          "an index")
      ->check(ExistingFile);
  command.add_option("--batch", arguments.options.batch, "Pictures that run through the network together")
      ->capture_default_str()
      ->check(Range(1, 4096));
  command.add_option("--limit", arguments.options.limit, "Only the first so many pictures")
      ->check(Range(std::int64_t{1}, std::int64_t{1} << 40));
  command.add_flag("--skip-bad", arguments.options.skip_bad, "Count pictures that cannot be read instead of stopping");
}

ClassMap match_classes(const DataArguments& arguments, const Dataset& dataset, const Classifier& classifier,
                       const std::string& model) {
  const std::vector<std::string> labels = dataset.labels();
  ClassMap classes(classifier, labels, !arguments.dataset.labels_file.empty(), model);
  if (classes.alphabetical()) {
    say(fmt::format("{} names no classes: its outputs are taken for {} in alphabetical order", model, some_of(labels)));
  }
  return classes;
}

Evaluation evaluate_on(const DataArguments& arguments, const Dataset& dataset, const Classifier& classifier,
                       const ClassMap& classes, const DecodeOptions& decode,
                       std::function<void(const Judged&)> judged) {
  std::optional<std::size_t> total = dataset.count();
  const std::int64_t limit = arguments.options.limit;
  if (limit >= 0) total = std::min(total.value_or(limit), static_cast<std::size_t>(limit));
  Progress progress("images", total);
  EvaluateOptions options = arguments.options;
  options.decode = decode;
  options.judged = std::move(judged);
  options.noted = say_notes;
  options.progress = [&](std::int64_t seen) { progress.update(seen); };
  options.skipped = [&](const Error& error) {
    progress.clear();
    say(error.what());
  };
  const Evaluation result = evaluate(classifier, *dataset.items(), classes, options);
  progress.clear();
  if (result.images == 0) {
    const std::string& only = arguments.dataset.only;
    fail(ErrorCode::kFormat, arguments.path, "no picture {}could be classified",
         only.empty() ? "" : fmt::format("of its folder '{}' ", only));
  }
  return result;
}

}  // namespace resnet::cli
