#include "weights/class_names.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/text.h"

namespace resnet {
namespace {

constexpr std::size_t kMaxNameLength = 1000;
constexpr std::size_t kMaxFileSize = std::size_t{64} << 20;
constexpr std::size_t kMaxClasses = 10'000'000;

// Takes an array of strings as it is parsed, so that no other document is ever built in memory.
class ClassNameReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  ClassNameReader(std::size_t max_count, const std::string& where) : max_count_(max_count), where_(where) {}

  std::vector<std::string> names;

  bool start_array(std::size_t) override {
    if (inside_) refuse();
    return inside_ = true;
  }
  bool end_array() override { return true; }
  bool string(string_t& value) override {
    if (!inside_) refuse();
    if (names.size() == max_count_) fail(ErrorCode::kMismatch, where_, "more than {} class names", max_count_);
    check_class_name(value, names.size() + 1, where_);
    names.push_back(std::move(value));
    return true;
  }
  bool null() override { return refuse(); }
  bool boolean(bool) override { return refuse(); }
  bool number_integer(number_integer_t) override { return refuse(); }
  bool number_unsigned(number_unsigned_t) override { return refuse(); }
  bool number_float(number_float_t, const string_t&) override { return refuse(); }
  bool binary(binary_t&) override { return refuse(); }
  bool start_object(std::size_t) override { return refuse(); }
  bool key(string_t&) override { return refuse(); }
  bool end_object() override { return refuse(); }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    fail(ErrorCode::kFormat, where_, "offset {}: not JSON", position);
  }

 private:
  [[noreturn]] bool refuse() const { fail(ErrorCode::kFormat, where_, "not a JSON array of strings"); }

  const std::size_t max_count_;
  const std::string& where_;
  bool inside_ = false;
};

std::vector<std::string> parse_lines(std::string_view text, const std::string& where) {
  std::vector<std::string> names;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    check_class_name(line, names.size() + 1, where);
    names.emplace_back(line);
  }
  return names;
}

}  // namespace

void check_class_name(std::string_view name, std::size_t number, const std::string& where) {
  if (name.empty()) fail(ErrorCode::kFormat, where, "class name {} is empty", number);
  if (name.size() > kMaxNameLength) {
    fail(ErrorCode::kFormat, where, "class name {} is longer than {} bytes", number, kMaxNameLength);
  }
  if (one_line(name, name.size()) != name) {
    fail(ErrorCode::kFormat, where, "class name {} is not plain UTF-8 text: '{}'", number, one_line(name));
  }
}

std::vector<std::string> parse_class_names_json(std::string_view json, std::size_t max_count,
                                                const std::string& where) {
  if (json.find('\0') != std::string_view::npos) fail(ErrorCode::kFormat, where, "a zero byte in the JSON array");
  ClassNameReader reader(max_count, where);
  nlohmann::json::sax_parse(json, &reader);
  return std::move(reader.names);
}

std::vector<std::string> read_class_names(const std::string& path) {
  const std::vector<std::byte> bytes = read_file(path, kMaxFileSize);
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  std::vector<std::string> names = first != std::string_view::npos && text[first] == '['
                                       ? parse_class_names_json(text, kMaxClasses, path)
                                       : parse_lines(text, path);
  if (names.empty()) fail(ErrorCode::kFormat, path, "no class names");
  return names;
}

}  // namespace resnet
