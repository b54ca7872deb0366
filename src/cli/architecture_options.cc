#include "cli/architecture_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "cli/classifier_options.h"
#include "cli/command.h"
#include "resnet/error.h"
#include "weights/change_layout.h"

namespace resnet::cli {
std::vector<int> parse_numbers(const std::string& text, const std::string& option) {
  std::vector<int> numbers;
  const char* place = text.data();
  const char* const end = text.data() + text.size();
  for (;;) {
    int number = 0;
    const auto [after, error] = std::from_chars(place, end, number);
    if (error != std::errc() || (after != end && *after != ',')) {
      throw Usage(fmt::format("{}: '{}' is not a list of whole numbers such as 3,4,6,3", option, text));
    }
    numbers.push_back(number);
    if (after == end) return numbers;
    place = after + 1;
  }
}

void ArchitectureOptions::add_to(Command& command, const std::string& label, const std::string& description) {
  command.add_option(label, network_, description);
  fields_.add_to(command, listed_fields(), kArchitecture);
}

bool ArchitectureOptions::is_file() const {
  const auto named = [&](const Architecture& known) { return known.name == network_; };
  if (network_.empty() || std::any_of(catalog().begin(), catalog().end(), named)) return false;
  std::error_code ignored;
  return network_.find_first_of("/.") != std::string::npos || std::filesystem::exists(network_, ignored);
}

Architecture ArchitectureOptions::architecture() const {
  if (!network_.empty()) find_architecture(network_);  // an unknown name is not an option's fault
  try {
    const ArchitectureChanges said = fields_.changes();
    if (network_.empty() && (!said.get(&Architecture::block) || !said.get(&Architecture::depths))) {
      throw Usage("name a network, or describe one with --block and --depths");
    }
    const Architecture result = choose(network_, said);
    return with_layout(result, result.layout);
  } catch (const Error& error) {
    throw as_usage(error);
  }
}

Model ArchitectureOptions::load_file(const LoadOptions& load) const {
  const std::optional<Layout> layout = layout_alone(fmt::format("{} is a file, which says it itself", network_));
  Model model = load_model_aloud(network_, load);
  return layout && *layout != model.architecture.layout ? change_layout(model, *layout) : model;
}

std::optional<Layout> ArchitectureOptions::layout_alone(const std::string& reason) const {
  if (const std::string other = fields_.given_beside(FieldRank::kNaming); !other.empty()) {
    throw Usage(fmt::format("{}: {}", other, reason));
  }
  try {
    return fields_.changes().get(&Architecture::layout);
  } catch (const Error& error) {
    throw as_usage(error);
  }
}

}  // namespace resnet::cli
