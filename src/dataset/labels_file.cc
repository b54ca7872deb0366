#include "dataset/labels_file.h"

#include <nlohmann/json.hpp>
#include <string_view>
#include <unordered_set>

#include "base/error.h"
#include "base/file.h"
#include "base/hash.h"

namespace resnet {
namespace {

constexpr std::size_t kMaxBytes = 256U << 20;

// {"cat/1.jpg": "cat", "cat/2.jpg": 3}
class JsonLabels : public nlohmann::json_sax<nlohmann::json> {
 public:
  JsonLabels(const std::string& path, std::vector<LabelledFile>& result) : path_(path), result_(result) {}

  bool null() override { refuse(); }
  bool boolean(bool) override { refuse(); }
  bool number_integer(number_integer_t) override { refuse(); }  // a negative one
  bool number_unsigned(number_unsigned_t value) override { return add(std::to_string(value)); }
  bool number_float(number_float_t, const string_t&) override { refuse(); }
  bool string(string_t& value) override { return add(value); }
  bool binary(binary_t&) override { refuse(); }
  bool start_object(std::size_t) override {
    if (open_) refuse();
    return open_ = true;
  }
  bool key(string_t& name) override {
    key_ = name;
    return true;
  }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { refuse(); }
  bool end_array() override { return true; }
  bool parse_error(std::size_t offset, const std::string&, const nlohmann::json::exception&) override {
    fail(ErrorCode::kFormat, path_, "offset {}: not JSON", offset);
  }

 private:
  bool add(const std::string& label) {
    if (!open_) refuse();
    result_.push_back({key_, label});
    return true;
  }
  [[noreturn]] void refuse() {
    fail(ErrorCode::kFormat, path_, "'{}': labels must be one object of strings and indices", key_);
  }

  const std::string& path_;
  std::vector<LabelledFile>& result_;
  std::string key_;
  bool open_ = false;
};

class LineReader {
 public:
  LineReader(std::string_view text, const std::string& path) : text_(text), path_(path) {}

  std::vector<LabelledFile> read() {
    const bool csv = text_.substr(0, text_.find('\n')).find(',') != std::string_view::npos;
    std::vector<LabelledFile> result;
    for (int line = 1; !text_.empty(); ++line) {
      const std::size_t end = std::min(text_.find('\n'), text_.size());
      std::string_view row = text_.substr(0, end);
      text_.remove_prefix(std::min(end + 1, text_.size()));
      if (row.ends_with('\r')) row.remove_suffix(1);
      if (row.find_first_not_of(" \t") == std::string_view::npos) continue;
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
    const std::size_t last = row.find_last_not_of(" \t");
    return {std::string(row.substr(0, gap)), std::string(row.substr(label, last + 1 - label))};
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
  const std::vector<std::byte> bytes = read_file(path, kMaxBytes);
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  std::vector<LabelledFile> result;
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{') {
    JsonLabels handler(path, result);
    nlohmann::json::sax_parse(text, &handler);
  } else {
    result = LineReader(text, path).read();
  }
  if (result.empty()) fail(ErrorCode::kFormat, path, "holds no labels");
  std::unordered_set<std::string_view, KeyedHash> seen;
  for (const LabelledFile& labelled : result) {
    if (!seen.insert(labelled.path).second) fail(ErrorCode::kFormat, path, "'{}' is there twice", labelled.path);
  }
  return result;
}

}  // namespace resnet
