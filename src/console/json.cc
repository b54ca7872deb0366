#include "console/json.h"

#include <fmt/compile.h>
#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "base/json_text.h"

namespace resnet {
namespace {

template <typename T>
std::string number(T value) {
  return std::isfinite(value) ? fmt::format("{}", value) : "null";
}

// Puts what `items` are together in front of the bracket that ends `text`.
template <typename... Items>
void insert_last(std::string& text, const Items&... items) {
  const char bracket = text.back();
  text.pop_back();
  if (text.size() > 1) text += ',';
  (text.append(items), ...);
  text += bracket;
}

}  // namespace

Json::Json(float value) : text_(number(value)) {}
Json::Json(double value) : text_(number(value)) {}

Json::Json(const std::vector<float>& values) {
  fmt::memory_buffer buffer;
  const auto out = std::back_inserter(buffer);
  for (const float value : values) {
    buffer.push_back(buffer.size() == 0 ? '[' : ',');
    if (std::isfinite(value)) {
      fmt::format_to(out, FMT_COMPILE("{}"), value);
    } else {
      buffer.append(std::string_view("null"));
    }
  }
  if (values.empty()) buffer.push_back('[');
  buffer.push_back(']');
  text_.assign(buffer.data(), buffer.size());
}

Json::Json(std::string_view value) : text_(json_string(value)) {}

std::string Json::indented() const {
  std::string result;
  std::size_t level = 0;
  bool quoted = false;
  const auto new_line = [&] { result.append(1, '\n').append(2 * level, ' '); };
  for (std::size_t i = 0; i < text_.size(); ++i) {
    const char c = text_[i];
    if (quoted) {
      result += c;
      if (c == '\\') result += text_[++i];
      quoted = c != '"';
      continue;
    }
    const bool empty = (c == '[' || c == '{') && (text_[i + 1] == ']' || text_[i + 1] == '}');
    if (c == ']' || c == '}') --level, new_line();
    result += c;
    if (c == ':') result += ' ';
    if (empty) result += text_[++i];
    if (c == ',') new_line();
    if ((c == '[' || c == '{') && !empty) ++level, new_line();
    quoted = c == '"';
  }
  return result;
}

JsonArray& JsonArray::add(const Json& value) {
  insert_last(text_, value.text());
  return *this;
}

JsonObject::JsonObject(std::initializer_list<std::pair<std::string_view, Json>> members) : JsonObject() {
  for (const auto& [key, value] : members) add(key, value);
}

JsonObject JsonObject::from_text(std::string text) {
  JsonObject object;
  object.text_ = std::move(text);
  return object;
}

JsonObject& JsonObject::add(std::string_view key, const Json& value) {
  insert_last(text_, json_string(key), ":", value.text());
  return *this;
}

JsonObject& JsonObject::add_members_of(const JsonObject& other) {
  const std::string_view members = std::string_view(other.text_).substr(1, other.text_.size() - 2);
  if (!members.empty()) insert_last(text_, members);
  return *this;
}

}  // namespace resnet
