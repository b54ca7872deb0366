// JSON as programs print it: values that hold their text. Nothing here reads JSON.
//
//   JsonObject line = {{"path", path}, {"top1", 0.5}, {"shape", tensor.shape()}};
//   fmt::print("{}\n", line.text());
#pragma once

#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace resnet {

class Json {
 public:
  Json(std::nullptr_t = nullptr) : text_("null") {}
  Json(std::same_as<bool> auto value) : text_(value ? "true" : "false") {}
  template <std::integral T>
  requires(!std::same_as<T, bool> && !std::same_as<T, char>) Json(T value) : text_(std::to_string(value)) {}

  // The shortest text that reads back as the same number; null for those that JSON does not have.
  Json(float value);
  Json(double value);

  // Bytes that are no UTF-8 become escapes that can be undone (base/json_text.h).
  Json(std::string_view value);
  Json(const std::string& value) : Json(std::string_view(value)) {}
  Json(const char* value) : Json(std::string_view(value)) {}

  // Null where there is none.
  template <typename T>
  Json(const std::optional<T>& value) : Json(value ? Json(*value) : Json()) {}

  // An array.
  template <typename T>
  Json(const std::vector<T>& values);
  Json(const std::vector<float>& values);  // the same text, without one for each value

  // On one line.
  const std::string& text() const noexcept { return text_; }

  // The same with a line for each member and element, two spaces for each level.
  std::string indented() const;

 protected:
  std::string text_;
};

class JsonArray : public Json {
 public:
  JsonArray() { text_ = "[]"; }
  JsonArray& add(const Json& value);
};

// Members stand in the order in which they are added; who adds sees to it that no key comes twice.
class JsonObject : public Json {
 public:
  JsonObject() { text_ = "{}"; }
  JsonObject(std::initializer_list<std::pair<std::string_view, Json>> members);

  // An object that somebody else has written, on one line.
  static JsonObject from_text(std::string text);

  JsonObject& add(std::string_view key, const Json& value);
  JsonObject& add_members_of(const JsonObject& other);
};

template <typename T>
Json::Json(const std::vector<T>& values) {
  JsonArray array;
  for (const auto& value : values) array.add(value);
  text_ = array.text();
}

}  // namespace resnet
