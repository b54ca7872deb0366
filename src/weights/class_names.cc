#include "weights/class_names.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/list_file.h"
#include "base/text.h"

namespace resnet {
namespace {

constexpr std::size_t kMaxNameLength = 1000;
constexpr std::size_t kMaxFileSize = std::size_t{64} << 20;
constexpr std::size_t kMaxClasses = 10'000'000;
constexpr std::size_t kWordnetId = 9;  // characters

bool is_wordnet_id(std::string_view text) {
  return text.size() == kWordnetId && text[0] == 'n' && text.find_first_not_of("0123456789", 1) == text.npos;
}

// "n01440764 tench" -> "tench"; empty where it is not so.
std::string_view behind_wordnet_id(std::string_view line) {
  if (line.size() <= kWordnetId || !is_wordnet_id(line.substr(0, kWordnetId))) return {};
  if (line[kWordnetId] != ' ' && line[kWordnetId] != '\t') return {};
  return trimmed(line.substr(kWordnetId));
}

std::optional<std::size_t> as_index(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Names in the order of a list, or by the indices that it gives them.
class NameList {
 public:
  NameList(std::size_t max_count, const std::string& where) : max_count_(max_count), where_(where) {}

  void add(std::string name) {
    check_class_name(name, names_.size() + 1, where_);
    if (names_.size() == max_count_) too_many();
    names_.push_back(std::move(name));
  }

  void add_at(std::size_t index, std::string name) {
    check_class_name(name, index + 1, where_);
    if (by_index_.size() == max_count_) too_many();
    if (!by_index_.emplace(index, std::move(name)).second) {
      fail(ErrorCode::kFormat, where_, "class {} is named twice", index);
    }
  }

  std::vector<std::string> take() {
    for (auto& [index, name] : by_index_) {
      if (index != names_.size()) {
        fail(ErrorCode::kFormat, where_, "no name for class {}, but one for class {}: indices count from 0",
             names_.size(), index);
      }
      names_.push_back(std::move(name));
    }
    return std::move(names_);
  }

 private:
  [[noreturn]] void too_many() const { fail(ErrorCode::kMismatch, where_, "more than {} class names", max_count_); }

  std::size_t max_count_;
  const std::string& where_;
  std::vector<std::string> names_;
  std::map<std::size_t, std::string> by_index_;
};

constexpr const char* kArray = "a JSON array of strings";
constexpr const char* kForms = "a JSON array of strings, nor an object of names by index or of indices by name";

// The name of an item, without the WordNet id that may stand before it.
std::string take_name(ListItem& item, const std::string& where, const char* expected) {
  const auto& values = item.values;
  const bool pair = item.is_array && values.size() == 2 && is_wordnet_id(values[0].text);
  if ((item.is_array && !pair) || values.back().is_number) fail(ErrorCode::kFormat, where, "not {}", expected);
  return std::move(item.values.back().text);
}

std::vector<std::string> parse_json(std::string_view text, const std::string& where) {
  NameList names(kMaxClasses, where);
  const char* expected = trimmed(text, " \t\r\n").starts_with('[') ? kArray : kForms;
  read_json_list(text, where, expected, [&](ListItem&& item) {
    if (!item.key) return names.add(take_name(item, where, expected));
    const bool by_name = !item.is_array && item.values[0].is_number;
    const std::optional<std::size_t> index = as_index(by_name ? item.values[0].text : *item.key);
    if (!index) fail(ErrorCode::kFormat, where, "not {}", expected);
    names.add_at(*index, by_name ? std::move(*item.key) : take_name(item, where, expected));
  });
  return names.take();
}

std::vector<std::string> parse_lines(std::string_view text, const std::string& where) {
  std::vector<std::string_view> lines;
  for (std::string_view line; take_line(text, line);) lines.push_back(trimmed(line));
  while (!lines.empty() && lines.back().empty()) lines.pop_back();
  const bool ids = std::all_of(lines.begin(), lines.end(), [](auto line) { return !behind_wordnet_id(line).empty(); });
  NameList names(kMaxClasses, where);
  for (const std::string_view line : lines) names.add(std::string(ids ? behind_wordnet_id(line) : line));
  return names.take();
}

}  // namespace

void check_class_name(std::string_view name, std::size_t number, const std::string& where) {
  if (name.empty()) fail(ErrorCode::kFormat, where, "class name {} is empty", number);
  if (name.size() > kMaxNameLength) {
    fail(ErrorCode::kFormat, where, "class name {} is longer than {} bytes", number, kMaxNameLength);
  }
  if (printable(name) != name) {
    fail(ErrorCode::kFormat, where, "class name {} is not plain UTF-8 text: '{}'", number, one_line(name));
  }
}

std::vector<std::string> parse_class_names_json(std::string_view json, std::size_t max_count,
                                                const std::string& where) {
  NameList names(max_count, where);
  read_json_list(json, where, kArray, [&](ListItem&& item) {
    if (item.key || item.is_array || item.values[0].is_number) fail(ErrorCode::kFormat, where, "not {}", kArray);
    names.add(std::move(item.values[0].text));
  });
  return names.take();
}

std::vector<std::string> list_class_names(std::string_view text, const std::string& where) {
  NameList names(kMaxClasses, where);
  for (;;) {
    const std::size_t comma = std::min(text.find(','), text.size());
    names.add(std::string(trimmed(text.substr(0, comma))));
    if (comma == text.size()) return names.take();
    text.remove_prefix(comma + 1);
  }
}

std::vector<std::string> read_class_names(const std::string& path) {
  const TextFile file = TextFile::open(path, kMaxFileSize);
  std::vector<std::string> names = file.is_json() ? parse_json(file.text(), path) : parse_lines(file.text(), path);
  if (names.empty()) fail(ErrorCode::kFormat, path, "no class names");
  return names;
}

}  // namespace resnet
