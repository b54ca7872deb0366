#include "cli/field_options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "cli/architecture_options.h"
#include "cli/command.h"

namespace resnet::cli {

Usage as_usage(const Error& error) {
  std::string text = error.what();
  std::replace(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(error.where().size()), '_', '-');
  return Usage("--" + text);
}

void FieldOptions::add_to(Command& command, std::span<const ArchitectureField* const> fields,
                          const std::string& group) {
  for (const ArchitectureField* field : fields) {
    Given& given = given_.emplace_back(Given{field, nullptr, {}});
    const std::string flag = flag_of(field->name);
    const std::string help(field->help);
    std::visit(
        [&](const auto& usual) {
          using Value = std::decay_t<decltype(usual)>;
          if constexpr (std::is_same_v<Value, bool>) {
            given.option = command.add_flag(flag, given.value.emplace<bool>(), help);
          } else if constexpr (std::is_arithmetic_v<Value>) {
            given.option = command.add_option(flag, given.value.emplace<Value>(), help);
          } else {
            given.option = command.add_option(flag, given.value.emplace<std::string>(), help);
            given.option->type_name(is_choice(*field) ? fmt::format("{}", fmt::join(choices(*field), "|")) : "LIST");
          }
        },
        get(*field, Architecture()));
    if (field->rank != FieldRank::kForm || group != kArchitecture) given.option->group(group);
  }
}

ArchitectureChanges FieldOptions::changes() const {
  ArchitectureChanges changes;
  for (const Given& given : given_) {
    if (given.option->count() == 0) continue;
    const bool is_list = std::holds_alternative<std::vector<int>>(get(*given.field, Architecture()));
    set(*given.field, changes,
        is_list ? parse_numbers(std::get<std::string>(given.value), flag_of(given.field->name))
                : std::visit([](const auto& value) -> FieldValue { return value; }, given.value));
  }
  return changes;
}

std::string FieldOptions::given_beside(FieldRank rank) const {
  for (const Given& given : given_) {
    if (given.field->rank != rank && given.option->count() > 0) return given.option->get_name();
  }
  return "";
}

}  // namespace resnet::cli
