#include "weights/architecture_fields.h"

#include <nlohmann/json.hpp>

namespace resnet {
namespace {

// Each kind of a field's value.
void read(JsonFields& json, std::string_view key, int& value) { value = json.integer(key); }
void read(JsonFields& json, std::string_view key, double& value) { value = json.number(key); }
void read(JsonFields& json, std::string_view key, bool& value) { value = json.boolean(key); }
void read(JsonFields& json, std::string_view key, std::vector<int>& value) { value = json.integers(key); }
void read(JsonFields& json, std::string_view key, std::string& value) { value = json.text(key); }

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
    FieldValue value = get(field, architecture);
    std::visit([&](auto& of_kind) { read(json, key_of(field), of_kind); }, value);
    set(field, architecture, value);
  }
}

}  // namespace resnet
