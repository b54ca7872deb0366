#include "evaluate/data_notes.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace resnet {
namespace {

constexpr const char* kValidationNames[] = {"val", "valid", "validation", "test"};

// "cat, cow, dog, ... zebra"
std::string first_and_last(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 4;
  if (names.size() <= kShown) return fmt::format("{}", fmt::join(names, ", "));
  return fmt::format("{}, ... {}", fmt::join(names.begin(), names.begin() + kShown - 1, ", "), names.back());
}

}  // namespace

std::string parts_note(const std::string& path, const Dataset& dataset, const std::string& done) {
  if (dataset.parts().empty()) return "";
  return fmt::format("{} consists of {}: all of them are {}; --only {} takes one", path,
                     fmt::join(dataset.parts(), " and "), done, dataset.parts().back());
}

std::string labels_note(const std::string& path, const Dataset& dataset, const ClassMap& classes,
                        const std::string& model) {
  switch (classes.assumption()) {
    case ClassMap::Assumption::kNone: break;
    case ClassMap::Assumption::kAlphabetical:
      return fmt::format("{} names no classes: its outputs are taken for {} in alphabetical order", model,
                         first_and_last(dataset.labels()));
    case ClassMap::Assumption::kIndices:
      return fmt::format("{}: its folders {} are taken for the indexes of the classes of {}", path,
                         first_and_last(dataset.labels()), model);
    case ClassMap::Assumption::kWordNet:
      return fmt::format("{}: its 1000 classes are taken for ImageNet's, as the folders of {} are", model, path);
  }
  return "";
}

void refuse_parts(const std::string& path, const Dataset& dataset, const Classifier& classifier) {
  const std::vector<std::string>& labels = dataset.labels();
  const auto is_label = [&](const char* name) { return std::ranges::find(labels, name) != labels.end(); };
  const auto* const part = std::ranges::find_if(kValidationNames, is_label);
  if (!is_label("train") || part == std::end(kValidationNames)) return;
  if (classifier.named() && std::ranges::find(classifier.labels(), *part) != classifier.labels().end()) return;
  fail(ErrorCode::kMismatch, path, "its folders train and {0} are parts of a set, not classes: --only {0} takes one",
       *part);
}

}  // namespace resnet
