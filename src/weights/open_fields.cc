#include "weights/open_fields.h"

#include <algorithm>

#include "base/error.h"
#include "resnet/graph.h"

namespace resnet {
namespace {

// Those of architecture_fields(), held to is_open() by a test.
constexpr std::string_view kBeyondTensors[] = {"stem_stride",    "stem_pool", "shortcut",  "stride_on_first",
                                               "dilated_stages", "strides",   "bn_eps",    "activation",
                                               "negative_slope", "antialias", "head_pool", "head_activation"};

// A network of one block a stage, open in what the whole is open in.
Architecture one_block_each(Architecture architecture) {
  std::fill(architecture.depths.begin(), architecture.depths.end(), 1);
  return architecture;
}

std::vector<FieldValue> other_values(const ArchitectureField& field, const Architecture& architecture) {
  std::vector<FieldValue> values;
  const FieldValue now = get(field, architecture);
  for (const std::string_view choice : choices(field)) values.emplace_back(std::string(choice));
  if (const bool* value = std::get_if<bool>(&now)) values.emplace_back(!*value);
  if (const int* value = std::get_if<int>(&now)) values.insert(values.end(), {FieldValue(*value + 1), FieldValue(1)});
  if (const double* value = std::get_if<double>(&now)) values.emplace_back(*value * 2);
  if (std::holds_alternative<std::vector<int>>(now)) {
    std::vector<int> strides;
    for (std::size_t stage = 0; stage < architecture.depths.size(); ++stage) strides.push_back(stage == 0 ? 1 : 2);
    strides.back() = 1;
    values.emplace_back(strides);
    strides.back() = 3;
    values.emplace_back(strides);
  }
  return values;
}

std::vector<std::pair<std::string, Shape>> shapes(const Architecture& architecture) {
  std::vector<std::pair<std::string, Shape>> result;
  for (const Parameter& parameter : parameters(expand(architecture))) {
    result.emplace_back(parameter.name, parameter.shape);
  }
  return result;
}

}  // namespace

std::vector<const ArchitectureField*> fields_beyond_tensors() {
  std::vector<const ArchitectureField*> fields;
  for (const ArchitectureField* field : listed_fields()) {
    if (std::find(std::begin(kBeyondTensors), std::end(kBeyondTensors), field->name) != std::end(kBeyondTensors)) {
      fields.push_back(field);
    }
  }
  return fields;
}

bool is_open(const ArchitectureField& field, const Architecture& architecture) {
  if (field.name == "negative_slope" && !architecture.has_leaky_relu()) return false;
  const Architecture small = one_block_each(architecture);
  const auto now = shapes(small);
  for (const FieldValue& value : other_values(field, small)) {
    Architecture other = small;
    set(field, other, value);
    try {
      if (plainly_said(other) != plainly_said(small) && shapes(other) == now) return true;
    } catch (const Error&) {  // no network
    }
  }
  return false;
}

std::string flags_of(const std::vector<ToldField>& fields) {
  std::string text;
  for (const ToldField& field : fields) {
    text += fmt::format("{}{}{}{}", text.empty() ? "" : " ", flag_of(field.name),
                        field.value == "true" || field.value == "false" ? "=" : " ", field.value);
  }
  return text;
}

std::string value_text(const ArchitectureField& field, const Architecture& architecture) {
  Architecture said = architecture;
  said.stem_kernel = architecture.first_kernel();
  said.stem_stride = architecture.first_stride();
  said.stem_pool = architecture.last_pool();
  said.strides.clear();
  for (std::size_t stage = 0; stage < architecture.depths.size(); ++stage) {
    said.strides.push_back(architecture.stride_of(static_cast<int>(stage)));
  }
  return std::visit(
      [](const auto& value) -> std::string {
        using Value = std::decay_t<decltype(value)>;
        if constexpr (std::is_same_v<Value, bool>) {
          return value ? "true" : "false";
        } else if constexpr (std::is_same_v<Value, std::vector<int>>) {
          return fmt::format("{}", fmt::join(value, ","));
        } else {
          return fmt::format("{}", value);
        }
      },
      get(field, said));
}

}  // namespace resnet
