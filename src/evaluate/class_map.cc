#include "evaluate/class_map.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/nearest.h"
#include "base/text.h"
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
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) text += (i ? ", '" : "'") + one_line(names[i]) + "'";
  if (names.size() > kShown) text += fmt::format(" and {} more", names.size() - kShown);
  return text;
}

// "Great_White_Shark, white shark" -> "great white shark"
std::string plain(const std::string& name) {
  std::string result = name.substr(0, name.find(','));
  for (char& c : result) {
    if (c == '_') c = ' ';
    if ('A' <= c && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

// Are these ImageNet's classes in its order, however they are spelt? Lists differ in which of a class's words they
// give.
bool are_imagenets(const std::vector<std::string>& names) {
  const std::vector<std::string>& known = imagenet_class_names();
  if (names.size() != known.size()) return false;
  if (names == imagenet_wordnet_ids()) return true;
  std::size_t same = 0;
  for (std::size_t i = 0; i < names.size(); ++i) same += plain(names[i]) == plain(known[i]) ? 1 : 0;
  return 2 * same > names.size();
}

}  // namespace

ClassMap::ClassMap(const Classifier& classifier, std::span<const std::string> labels, bool indices_allowed,
                   const std::string& model) {
  const std::vector<std::string>& names = classifier.labels();
  const int classes = static_cast<int>(names.size());
  Indices known;
  Indices twice;
  if (classifier.named()) {
    for (int i = 0; i < classes; ++i) {
      if (!known.emplace(names[i], i).second) twice.emplace(names[i], i);
    }
  }
  std::vector<std::string> strangers;
  for (const std::string& label : labels) {
    if (twice.contains(label))
      fail(ErrorCode::kMismatch, model, "two classes of the model are named '{}'", one_line(label));
    const auto found = known.find(label);
    const std::optional<int> index =
        found != known.end() ? found->second : (indices_allowed ? index_of(label, classes) : std::nullopt);
    if (index) indices_.emplace(label, *index);
    if (!index) strangers.push_back(label);
  }
  if (strangers.empty()) return;
  if (classifier.named()) {
    take_wordnet_ids(strangers, names);
    if (strangers.empty()) return;
    if (indices_.empty() && take_numbers(labels, names)) return;
    std::string hint = did_you_mean(strangers[0], names, 1, "'");
    if (hint.empty() && strangers.size() == labels.size()) {
      hint = fmt::format("; it was trained on {}: `resnet train --from` trains it on others", some_of(names));
    }
    fail(ErrorCode::kMismatch, model, "{} of {} labels fit no class of the model: {}{}", strangers.size(),
         labels.size(), some_of(strangers), hint);
  }
  if (labels.size() > names.size()) {
    fail(ErrorCode::kMismatch, model, "{} classes in the data, but the model has {} outputs", labels.size(), classes);
  }
  assumption_ = Assumption::kAlphabetical;
  indices_.clear();
  for (std::size_t i = 0; i < labels.size(); ++i) indices_.emplace(labels[i], static_cast<int>(i));
}

// Takes the labels away that are ImageNet's folders, where the model has 1,000 classes.
void ClassMap::take_wordnet_ids(std::vector<std::string>& strangers, const std::vector<std::string>& names) {
  const std::vector<std::string>& ids = imagenet_wordnet_ids();
  if (names.size() != ids.size()) return;
  const std::size_t before = strangers.size();
  std::erase_if(strangers, [&](const std::string& label) {
    const auto place = std::lower_bound(ids.begin(), ids.end(), label);  // they are sorted
    if (place == ids.end() || *place != label) return false;
    indices_.emplace(label, static_cast<int>(place - ids.begin()));
    return true;
  });
  if (strangers.size() < before && !are_imagenets(names)) assumption_ = Assumption::kWordNet;
}

// Where they all are numbers of classes, "7" or "007", and no two the same one.
bool ClassMap::take_numbers(std::span<const std::string> labels, const std::vector<std::string>& names) {
  const int classes = static_cast<int>(names.size());
  Indices found;
  std::vector<bool> taken(names.size());
  for (const std::string& label : labels) {
    const std::optional<int> index = index_of(label, classes);
    if (!index || taken[static_cast<std::size_t>(*index)]) return false;
    taken[static_cast<std::size_t>(*index)] = true;
    found.emplace(label, *index);
  }
  if (labels.size() != names.size() && !are_imagenets(names)) return false;
  indices_ = std::move(found);
  assumption_ = Assumption::kIndices;
  return true;
}

int ClassMap::at(const std::string& label) const {
  const auto found = indices_.find(label);
  if (found == indices_.end()) fail(ErrorCode::kMismatch, "classes", "'{}' was not there before", one_line(label));
  return found->second;
}

}  // namespace resnet
