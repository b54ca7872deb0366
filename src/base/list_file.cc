#include "base/list_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/text.h"

namespace resnet {
namespace {

constexpr std::size_t kMaxValues = 16;  // of an item
constexpr std::string_view kSpaces = " \t\r\n";

// Items as they are parsed.
class ListReader : public nlohmann::json_sax<nlohmann::json> {
 public:
  ListReader(const std::string& where, const std::string& expected, const std::function<void(ListItem&&)>& take)
      : where_(where), expected_(expected), take_(take) {}

  bool start_array(std::size_t /*size*/) override { return open(Level::kArray); }
  bool start_object(std::size_t /*size*/) override { return open(Level::kObject); }
  bool end_array() override { return close(); }
  bool end_object() override { return close(); }
  bool key(string_t& name) override {
    item_.key = restore_bytes(std::move(name));
    return true;
  }
  bool string(string_t& value) override { return add(restore_bytes(std::move(value)), false); }
  bool number_unsigned(number_unsigned_t value) override { return add(std::to_string(value), true); }
  bool number_integer(number_integer_t /*negative*/) override { refuse(); }
  bool number_float(number_float_t /*value*/, const string_t& /*text*/) override { refuse(); }
  bool null() override { refuse(); }
  bool boolean(bool /*value*/) override { refuse(); }
  bool binary(binary_t& /*value*/) override { refuse(); }
  bool parse_error(std::size_t offset, const std::string& /*token*/, const nlohmann::json::exception& /*e*/) override {
    fail(ErrorCode::kFormat, where_, "offset {}: not JSON", offset);
  }

 private:
  enum class Level { kOutside, kArray, kObject, kItem };

  [[noreturn]] void refuse() const { fail(ErrorCode::kFormat, where_, "not {}", expected_); }

  bool open(Level level) {
    if (level_ == Level::kOutside) {
      level_ = list_ = level;
    } else if (level == Level::kArray && level_ != Level::kItem) {
      level_ = Level::kItem;
      item_.is_array = true;
    } else {
      refuse();
    }
    return true;
  }

  bool close() {
    if (level_ == Level::kItem) {
      level_ = list_;
      if (item_.values.empty()) refuse();
      give();
    }
    return true;
  }

  bool add(std::string text, bool is_number) {
    if (level_ == Level::kOutside || item_.values.size() == kMaxValues) refuse();
    item_.values.push_back({std::move(text), is_number});
    if (level_ != Level::kItem) give();
    return true;
  }

  void give() {
    take_(std::move(item_));
    item_ = {};
  }

  const std::string& where_;
  const std::string& expected_;
  const std::function<void(ListItem&&)>& take_;
  Level list_ = Level::kOutside;
  Level level_ = Level::kOutside;
  ListItem item_;
};

}  // namespace

TextFile TextFile::open(const std::string& path, std::size_t max_bytes) {
  TextFile result;
  result.path_ = path;
  result.bytes_ = std::make_shared<const std::vector<std::byte>>(read_file(path, max_bytes));
  const std::vector<std::byte>& bytes = *result.bytes_;
  result.text_ = {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  if (result.text_.starts_with("\xFF\xFE") || result.text_.starts_with("\xFE\xFF")) {
    fail(ErrorCode::kFormat, path, "is UTF-16 text, which some programs call Unicode: save it as UTF-8");
  }
  result.text_ = without_byte_order_mark(result.text_);
  return result;
}

void TextFile::check_utf8() const {
  const std::size_t good = valid_utf8_prefix(text_);
  if (good == text_.size()) return;
  const auto line = 1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(good), '\n');
  fail(ErrorCode::kFormat, fmt::format("{}: line {}", path_, line), "is not text in UTF-8");
}

bool TextFile::is_json() const noexcept {
  const std::string_view text = trimmed(text_, kSpaces);
  if (!text.starts_with('[')) return text.starts_with('{');
  const std::string_view inside = trimmed(text.substr(1), kSpaces);
  return inside.empty() || std::string_view("[]{\"").find(inside[0]) != std::string_view::npos;
}

std::string_view without_byte_order_mark(std::string_view text) noexcept {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  if (text.starts_with(kMark)) text.remove_prefix(kMark.size());
  return text;
}

bool take_line(std::string_view& text, std::string_view& line) noexcept {
  if (text.empty()) return false;
  const std::size_t end = std::min(text.find('\n'), text.size());
  line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return true;
}

std::string_view trimmed(std::string_view text, std::string_view spaces) noexcept {
  const std::size_t begin = text.find_first_not_of(spaces);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(spaces) + 1 - begin);
}

void read_json_list(std::string_view text, const std::string& where, const std::string& expected,
                    const std::function<void(ListItem&&)>& take) {
  if (text.find('\0') != std::string_view::npos) {  // which would end it for the parser
    const bool array = trimmed(text, kSpaces).starts_with('[');
    fail(ErrorCode::kFormat, where, "a zero byte in the JSON {}", array ? "array" : "object");
  }
  ListReader reader(where, expected, take);
  const std::string hidden = text.find("\\u") == std::string_view::npos ? "" : hide_byte_escapes(text);
  nlohmann::json::sax_parse(hidden.empty() ? text : std::string_view(hidden), &reader);
}

}  // namespace resnet
