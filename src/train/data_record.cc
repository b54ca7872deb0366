#include "train/data_record.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/random.h"
#include "base/text.h"

namespace resnet {
namespace {

constexpr std::string_view kTrain = "train\t";
constexpr std::string_view kVal = "val\t";

// Escaped, so that a name stays on its line.
std::string line_of(const ImageSet& images, std::size_t image) {
  const auto escaped = [](const std::string& text) { return one_line(text, text.size() + 1); };
  const std::string& name = images.classes()[static_cast<std::size_t>(images.label(image))];
  std::string path = images.inner_path(image);
  if (const std::string part = images.part(image); path.starts_with(part + "/")) path.erase(0, part.size() + 1);
  return escaped(name) + "\t" + escaped(path);
}

std::uint64_t hash_of(std::string_view line) { return sip_hash(line, {0, 0}); }

// Does a file hold just this? What cannot be read does not.
bool holds(const std::string& path, std::string_view text) {
  try {
    const std::vector<std::byte> bytes = read_file(path, text.size());
    return std::ranges::equal(bytes, std::as_bytes(std::span(text)));
  } catch (const Error&) {
    return false;
  }
}

// The path behind the second tab.
std::string_view path_of(std::string_view line) { return line.substr(line.rfind('\t') + 1); }

// "a, b, c and 5 more"
std::string some_of(const std::vector<std::string_view>& lines) {
  constexpr std::size_t kShown = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(lines.size(), kShown); ++i) {
    text += (i == 0 ? "" : ", ") + std::string(path_of(lines[i]));
  }
  if (lines.size() > kShown) text += fmt::format(" and {} more", lines.size() - kShown);
  return text;
}

// What is in `a` and not in `b`; both sorted.
std::vector<std::string_view> without(const std::vector<std::string_view>& a, const std::vector<std::string_view>& b) {
  std::vector<std::string_view> result;
  std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(result));
  return result;
}

}  // namespace

DataRecord::Set DataRecord::summary(const ImageSet& images) {
  Set set;
  set.count = images.size();
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::uint64_t hash = hash_of(line_of(images, i));
    set.names += hash;
    set.order = seed_of({set.order, hash});
  }
  return set;
}

DataRecord DataRecord::of(const TrainingData& data) {
  DataRecord record;
  record.train_ = summary(data.train);
  record.val_ = summary(data.val);
  return record;
}

std::string DataRecord::to_json() const {
  const auto of_set = [](const Set& set) {
    return nlohmann::ordered_json{{"pictures", set.count},
                                  {"names", fmt::format("{:016x}", set.names)},
                                  {"order", fmt::format("{:016x}", set.order)}};
  };
  return nlohmann::ordered_json{{"train", of_set(train_)}, {"val", of_set(val_)}}.dump();
}

DataRecord DataRecord::from_json(const std::string& text, const std::string& where) {
  try {
    const auto json = nlohmann::json::parse(text);
    const auto hash = [](const nlohmann::json& value) {
      const auto digits = value.get<std::string>();
      std::uint64_t number = 0;
      std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
      return number;
    };
    const auto set = [&](const char* name) {
      const nlohmann::json& of_set = json.at(name);
      return Set{of_set.at("pictures").get<std::uint64_t>(), hash(of_set.at("names")), hash(of_set.at("order"))};
    };
    DataRecord record;
    record.train_ = set("train");
    record.val_ = set("val");
    return record;
  } catch (const nlohmann::json::exception&) {
    fail(ErrorCode::kFormat, where, "what it says of its data cannot be read");
  }
}

bool DataRecord::same_pictures(const DataRecord& other) const noexcept {
  const auto same = [](const Set& a, const Set& b) { return a.count == b.count && a.names == b.names; };
  return same(train_, other.train_) && same(val_, other.val_);
}

bool DataRecord::same_order(const DataRecord& other) const noexcept {
  return train_.order == other.train_.order && val_.order == other.val_.order;
}

std::string DataRecord::counts() const {
  return fmt::format("{} pictures to learn from and {} to validate with", train_.count, val_.count);
}

std::uint64_t DataRecord::hash() const noexcept {
  return seed_of({train_.names, train_.order, val_.names, val_.order});
}

DataList DataList::of(const TrainingData& data) {
  DataList list;
  for (std::size_t i = 0; i < data.train.size(); ++i)
    list.lines_.push_back(std::string(kTrain) + line_of(data.train, i));
  for (std::size_t i = 0; i < data.val.size(); ++i) list.lines_.push_back(std::string(kVal) + line_of(data.val, i));
  return list;
}

std::optional<DataList> DataList::read(const std::string& path, const DataRecord& record) {
  std::ifstream file(path, std::ios::binary);
  DataList list;
  DataRecord::Set train, val;
  for (std::string line; std::getline(file, line);) {
    const bool learns = line.starts_with(kTrain);
    if (!learns && !line.starts_with(kVal)) return std::nullopt;
    DataRecord::Set& set = learns ? train : val;
    ++set.count;
    set.names += hash_of(std::string_view(line).substr(learns ? kTrain.size() : kVal.size()));
    list.lines_.push_back(std::move(line));
  }
  const auto same = [](const auto& a, const auto& b) { return a.count == b.count && a.names == b.names; };
  if (!same(train, record.train_) || !same(val, record.val_)) return std::nullopt;
  return list;
}

void DataList::write(const std::string& path) const {
  std::string text;
  for (const std::string& line : lines_) text += line + "\n";
  if (holds(path, text)) return;
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

std::string DataList::difference(const DataList& now) const {
  const auto sorted = [](const DataList& list, bool with_sets) {
    std::vector<std::string_view> lines(list.lines_.begin(), list.lines_.end());
    if (!with_sets) {
      for (std::string_view& line : lines) line.remove_prefix(line.find('\t') + 1);
    }
    std::sort(lines.begin(), lines.end());
    return lines;
  };
  const auto before = sorted(*this, false);
  const auto after = sorted(now, false);
  std::string text;
  if (const auto added = without(after, before); !added.empty()) text = "added " + some_of(added);
  if (const auto gone = without(before, after); !gone.empty()) {
    text += (text.empty() ? "gone: " : "; gone: ") + some_of(gone);
  }
  if (!text.empty()) return text;
  const auto moved = without(sorted(now, true), sorted(*this, true));
  return fmt::format("the same pictures, but other ones validate: moved {}", some_of(moved));
}

}  // namespace resnet
