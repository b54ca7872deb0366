// Fields of an architecture as one line of text, for callers that have no ArchitectureChanges.
#include <charconv>

#include "arch/schema.h"
#include "base/error.h"
#include "base/nearest.h"
#include "base/text.h"

namespace resnet {
namespace {

const ArchitectureField& field_named(std::string_view name) {
  std::vector<std::string> names;
  for (const ArchitectureField& field : architecture_fields()) {
    if (field.name == name) return field;
    names.emplace_back(field.name);
  }
  fail(ErrorCode::kInvalidArgument, std::string(one_line(name)), "is no field of a network; near it are {}",
       fmt::join(nearest(name, names, 3), ", "));
}

template <typename Number>
Number number_of(std::string_view text, std::string_view field) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    fail(ErrorCode::kInvalidArgument, std::string(field), "'{}' is not a {}", one_line(text),
         std::is_same_v<Number, double> ? "number" : "whole number");
  }
  return value;
}

FieldValue value_of(const ArchitectureField& field, std::string_view text) {
  return std::visit(
      [&](const auto& usual) -> FieldValue {
        using Value = std::decay_t<decltype(usual)>;
        if constexpr (std::is_same_v<Value, bool>) {
          if (text != "true" && text != "false") {
            fail(ErrorCode::kInvalidArgument, std::string(field.name), "'{}' is neither true nor false",
                 one_line(text));
          }
          return text == "true";
        } else if constexpr (std::is_same_v<Value, std::string>) {
          return std::string(text);
        } else if constexpr (std::is_same_v<Value, std::vector<int>>) {
          std::vector<int> list;
          for (std::size_t begin = 0; begin <= text.size();) {
            const std::size_t comma = std::min(text.find(',', begin), text.size());
            list.push_back(number_of<int>(text.substr(begin, comma - begin), field.name));
            begin = comma + 1;
          }
          return list;
        } else {
          return number_of<Value>(text, field.name);
        }
      },
      get(field, Architecture()));
}

}  // namespace

ArchitectureChanges parse_changes(std::string_view text) {
  ArchitectureChanges changes;
  while (!text.empty()) {
    const std::size_t space = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, space);
    text.remove_prefix(std::min(space + 1, text.size()));
    if (word.empty()) continue;
    const std::size_t equals = word.find('=');
    if (equals == std::string_view::npos) {
      fail(ErrorCode::kInvalidArgument, std::string(one_line(word)),
           "says no value: field=value, such as stem_pool=max");
    }
    const ArchitectureField& field = field_named(word.substr(0, equals));
    set(field, changes, value_of(field, word.substr(equals + 1)));
    check_range(field, changes.values());
  }
  return changes;
}

}  // namespace resnet
