#include "weights/architecture_fields.h"

#include <nlohmann/json.hpp>

namespace resnet {
namespace {

FieldValue read(const ArchitectureField& field, JsonFields& json) {
  const std::string_view key = key_of(field);
  return std::visit(
      [&](const auto& of_kind) -> FieldValue {
        using Value = std::decay_t<decltype(of_kind)>;
        if constexpr (std::is_same_v<Value, int>) {
          return json.integer(key);
        } else if constexpr (std::is_same_v<Value, bool>) {
          return json.boolean(key);
        } else if constexpr (std::is_same_v<Value, std::vector<int>>) {
          return json.integers(key);
        } else {
          return json.text(key);
        }
      },
      get(field, Architecture()));
}

}  // namespace

void write_fields(std::span<const ArchitectureField> fields, const Architecture& architecture,
                  nlohmann::ordered_json& json) {
  for (const ArchitectureField& field : fields) {
    const FieldValue value = get(field, architecture);
    if (field.later && value == get(field, Architecture())) continue;
    std::visit([&](const auto& plain) { json[std::string(key_of(field))] = plain; }, value);
  }
}

void read_fields(std::span<const ArchitectureField> fields, JsonFields& json, Architecture& architecture) {
  for (const ArchitectureField& field : fields) {
    if (field.later && !json.has(key_of(field))) continue;
    set(field, architecture, read(field, json));
  }
}

}  // namespace resnet
