#include "dataset/labels_file.h"

#include <string_view>
#include <unordered_set>

#include "base/error.h"
#include "base/hash.h"
#include "base/list_file.h"
#include "base/text.h"

namespace resnet {
namespace {

constexpr std::size_t kMaxBytes = 256U << 20;

// {"cat/1.jpg": "cat", "cat/2.jpg": 3}, [["cat/1.jpg", "cat"], ["cat/2.jpg", 3]]
std::vector<LabelledFile> parse_json(std::string_view text, const std::string& path) {
  const std::string expected =
      "one object of strings and indices by file, or an array of pairs of a file and its label";
  std::vector<LabelledFile> result;
  read_json_list(text, path, expected, [&](ListItem&& item) {
    const bool pair = item.is_array && item.values.size() == 2 && !item.values[0].is_number;
    if (item.key ? item.is_array : !pair) fail(ErrorCode::kFormat, path, "not {}", expected);
    std::string& file = item.key ? *item.key : item.values[0].text;
    result.push_back({std::move(file), std::move(item.values.back().text)});
  });
  return result;
}

class LineReader {
 public:
  LineReader(std::string_view text, const std::string& path) : text_(text), path_(path) {}

  std::vector<LabelledFile> read() {
    const bool csv = text_.substr(0, text_.find('\n')).find(',') != std::string_view::npos;
    std::vector<LabelledFile> result;
    std::string_view row;
    for (int line = 1; take_line(text_, row); ++line) {
      if (trimmed(row).empty()) continue;
      LabelledFile file = csv ? csv_row(row, line) : plain_row(row, line);
      if (csv && line == 1 && file.path == "file" && file.label == "label") continue;
      if (file.path.empty() || file.label.empty()) refuse(line, "needs a file and a label");
      result.push_back(std::move(file));
    }
    return result;
  }

 private:
  [[noreturn]] void refuse(int line, const char* reason) const {
    fail(ErrorCode::kFormat, path_, "line {}: {}", line, reason);
  }

  LabelledFile plain_row(std::string_view row, int line) const {
    const std::size_t gap = row.find_first_of(" \t");
    const std::size_t label = row.find_first_not_of(" \t", gap);
    if (gap == std::string_view::npos || label == std::string_view::npos) refuse(line, "needs a file and a label");
    return {std::string(row.substr(0, gap)), std::string(trimmed(row.substr(gap)))};
  }

  LabelledFile csv_row(std::string_view row, int line) const {
    LabelledFile result;
    result.path = csv_field(row, line);
    if (!row.starts_with(',')) refuse(line, "needs a file and a label");
    row.remove_prefix(1);
    result.label = csv_field(row, line);
    if (!row.empty()) refuse(line, "more than a file and a label");
    return result;
  }

  // Takes a field, not the comma after it, from the front of the row.
  std::string csv_field(std::string_view& row, int line) const {
    if (!row.starts_with('"')) {
      const std::size_t end = std::min(row.find(','), row.size());
      std::string field(row.substr(0, end));
      row.remove_prefix(end);
      return field;
    }
    std::string field;
    for (row.remove_prefix(1);; row.remove_prefix(1)) {
      if (row.empty()) refuse(line, "a quote is not closed");
      if (row[0] == '"') {
        row.remove_prefix(1);
        if (!row.starts_with('"')) return field;
      }
      field += row[0];
    }
  }

  std::string_view text_;
  const std::string& path_;
};

}  // namespace

std::vector<LabelledFile> read_labels_file(const std::string& path) {
  const TextFile file = TextFile::open(path, kMaxBytes);
  const std::string_view text = file.text();
  std::vector<LabelledFile> result = file.is_json() ? parse_json(text, path) : LineReader(text, path).read();
  if (result.empty()) fail(ErrorCode::kFormat, path, "holds no labels");
  std::unordered_set<std::string_view, KeyedHash> seen;
  for (const LabelledFile& labelled : result) {
    if (!seen.insert(labelled.path).second)
      fail(ErrorCode::kFormat, path, "'{}' is there twice", one_line(labelled.path));
  }
  return result;
}

}  // namespace resnet
