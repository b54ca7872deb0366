// Text files that people write by hand or export: lists of names, labels, recipes. All readers of such files begin
// here, so that each takes what editors and scripts leave: a byte order mark, either kind of line end, JSON.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace resnet {

// A text without its byte order mark. Cheap to copy.
class TextFile {
 public:
  // Throws what read_file() throws; kFormat for UTF-16, which Windows calls Unicode.
  static TextFile open(const std::string& path, std::size_t max_bytes);

  std::string_view text() const noexcept { return text_; }

  // Throws kFormat, naming the line, where the text is not UTF-8.
  void check_utf8() const;

  // Whether the text begins as a JSON object does, or as an array of strings or of other arrays.
  bool is_json() const noexcept;

 private:
  TextFile() = default;

  std::string path_;
  std::shared_ptr<const std::vector<std::byte>> bytes_;
  std::string_view text_;
};

// `text` without the three bytes that some editors put in front of UTF-8.
std::string_view without_byte_order_mark(std::string_view text) noexcept;

// Takes the first line off `text`, without its end; false where nothing is left.
bool take_line(std::string_view& text, std::string_view& line) noexcept;

// `text` without any of `spaces` around it.
std::string_view trimmed(std::string_view text, std::string_view spaces = " \t") noexcept;

struct ListValue {
  std::string text;
  bool is_number = false;  // a whole one, 0 or above
};

// An item of a JSON list: its values are one, or those of an array.
struct ListItem {
  std::optional<std::string> key;  // in an object
  std::vector<ListValue> values;
  bool is_array = false;
};

// Gives each item of a JSON array or object to `take`, in order: strings, whole numbers, and arrays of these. The
// document is never in memory as a whole. Byte escapes (json_text.h) become bytes. Throws kFormat for what is no JSON;
// `expected` says what the list should be ("an array of strings") where it holds something else. `where` names it.
void read_json_list(std::string_view text, const std::string& where, const std::string& expected,
                    const std::function<void(ListItem&&)>& take);

}  // namespace resnet
