#include "weights/json_fields.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/text.h"

namespace resnet {

JsonFields::JsonFields(const std::string& text, std::string where) : where_(std::move(where)) {
  if (text.size() > kMaxJsonBytes) {
    fail(ErrorCode::kLimit, where_, "{} bytes, more than {}", text.size(), kMaxJsonBytes);
  }
  std::set<std::string> names;
  std::string twice;
  const auto look = [&](int depth, Json::parse_event_t event, const Json& key) {
    if (depth == 1 && event == Json::parse_event_t::key && !names.insert(key.get<std::string>()).second)
      twice = key.get<std::string>();
    return true;
  };
  if (text.find('\0') == std::string::npos)
    object_ = Json::parse(text, look, /*allow_exceptions=*/false);  // a zero would end it
  if (!object_.is_object()) fail(ErrorCode::kFormat, where_, "not a JSON object");
  if (!twice.empty()) fail(ErrorCode::kFormat, where_, "field '{}' stands twice", one_line(twice));
}

int JsonFields::integer(std::string_view field) { return integer(take(field), field); }

std::vector<int> JsonFields::integers(std::string_view field) {
  std::vector<int> result;
  for (const Json& item : array(field)) result.push_back(integer(item, field));
  return result;
}

double JsonFields::number(std::string_view field) {
  const Json& value = take(field);
  if (!value.is_number()) refuse(field, "must be a number");
  if (!std::isfinite(value.get<double>())) refuse(field, "must be finite");
  return value.get<double>();
}

std::vector<float> JsonFields::floats(std::string_view field) {
  std::vector<float> result;
  for (const Json& item : array(field)) {
    if (!item.is_number()) refuse(field, "must be numbers");
    result.push_back(static_cast<float>(item.get<double>()));
    if (!std::isfinite(result.back())) refuse(field, "must be finite");
  }
  return result;
}

bool JsonFields::boolean(std::string_view field) {
  const Json& value = take(field);
  if (!value.is_boolean()) refuse(field, "must be true or false");
  return value.get<bool>();
}

std::string JsonFields::text(std::string_view field) {
  const Json& value = take(field);
  if (!value.is_string()) refuse(field, "must be a string");
  return value.get<std::string>();
}

void JsonFields::done() const {
  for (const auto& [key, value] : object_.items()) {
    if (!taken_.contains(key)) fail(ErrorCode::kFormat, where_, "unknown field '{}'", one_line(key));
  }
}

void JsonFields::refuse(std::string_view field, const std::string& message) const {
  fail(ErrorCode::kFormat, where_, "{} {}", field, message);
}

const JsonFields::Json& JsonFields::take(std::string_view field) {
  const auto place = object_.find(field);
  if (place == object_.end()) refuse(field, "is missing");
  taken_.emplace(field);
  return *place;
}

const JsonFields::Json& JsonFields::array(std::string_view field) {
  const Json& value = take(field);
  if (!value.is_array()) refuse(field, "must be an array");
  return value;
}

int JsonFields::integer(const Json& value, std::string_view field) const {
  constexpr int kMax = std::numeric_limits<int>::max();
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > kMax) {
    refuse(field, fmt::format("must be a whole number, 0 to {}", kMax));
  }
  return value.get<int>();
}

}  // namespace resnet
