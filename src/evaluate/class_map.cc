#include "evaluate/class_map.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/nearest.h"
#include "model/imagenet_classes.h"

namespace resnet {
namespace {

std::optional<int> index_of(const std::string& text, int classes) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0 || value >= classes) return std::nullopt;
  return value;
}

// "'kat', 'dogg' and 3 more"
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) text += (i ? ", '" : "'") + names[i] + "'";
  if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
  return text;
}

}  // namespace

ClassMap::ClassMap(const Classifier& classifier, std::span<const std::string> labels, bool indices_allowed,
                   const std::string& model) {
  const std::vector<std::string>& names = classifier.labels();
  const int classes = static_cast<int>(names.size());
  std::unordered_map<std::string, int, KeyedHash> known;
  if (classifier.named()) {
    if (names == imagenet_class_names()) {
      for (int i = 0; i < classes; ++i) known.emplace(imagenet_wordnet_ids()[i], i);
    }
    for (int i = 0; i < classes; ++i) {
      if (!known.emplace(names[i], i).second) {
        fail(ErrorCode::kMismatch, model, "two classes of the model are named '{}'", names[i]);
      }
    }
  }
  std::vector<std::string> strangers;
  for (const std::string& label : labels) {
    const auto found = known.find(label);
    const std::optional<int> index =
        found != known.end() ? found->second : (indices_allowed ? index_of(label, classes) : std::nullopt);
    if (index) indices_.emplace(label, *index);
    if (!index) strangers.push_back(label);
  }
  if (strangers.empty()) return;
  if (classifier.named()) {
    fail(ErrorCode::kMismatch, model, "{} of {} labels fit no class of the model: {}; did you mean '{}'?",
         strangers.size(), labels.size(), some_of(strangers), nearest(strangers[0], names, 1)[0]);
  }
  if (labels.size() > names.size()) {
    fail(ErrorCode::kMismatch, model, "{} classes in the data, but the model has {} outputs", labels.size(), classes);
  }
  alphabetical_ = true;
  indices_.clear();
  for (std::size_t i = 0; i < labels.size(); ++i) indices_.emplace(labels[i], static_cast<int>(i));
}

int ClassMap::at(const std::string& label) const {
  const auto found = indices_.find(label);
  if (found == indices_.end()) fail(ErrorCode::kMismatch, "classes", "'{}' was not there before", label);
  return found->second;
}

}  // namespace resnet
