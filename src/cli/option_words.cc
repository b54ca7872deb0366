#include "cli/option_words.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>

namespace resnet::cli {
namespace {

constexpr std::size_t kLongestChoice = 20;  // of characters, with the option's name

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, at);) parts.push_back(part);
  return parts;
}

std::string full_name(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name() : full_name(*app.get_parent()) + " " + app.get_name();
}

}  // namespace

std::vector<std::string> shown_names(const CLI::Option& option) {
  std::vector<std::string> names;
  if (!option.get_snames().empty()) names.push_back("-" + option.get_snames().front());
  if (!option.get_lnames().empty()) names.push_back("--" + option.get_lnames().front());
  return names;
}

std::vector<std::string> shown_option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    if (!is_shown(*option)) continue;
    const std::vector<std::string> own = shown_names(*option);
    names.insert(names.end(), own.begin(), own.end());
  }
  return names;
}

std::vector<std::string> allowed_values(const CLI::Option& option) {
  const std::string type = option.get_type_name();  // "NAME:{fp32,bf16}", or "basic|bottleneck" as was said of it
  const std::size_t open = type.find('{');
  const std::size_t close = type.find('}', open);
  if (open != std::string::npos && close != std::string::npos) {
    return split(type.substr(open + 1, close - open - 1), ',');
  }
  if (type.find('|') == std::string::npos) return {};
  return split(type, '|');
}

std::string value_name(const CLI::Option& option) {
  if (option.get_type_size() == 0 || is_argument(option)) return "";
  const std::vector<std::string> values = allowed_values(option);
  const std::string choice = fmt::format("{}", fmt::join(values, "|"));
  if (!values.empty() && option.get_items_expected_max() > 1) return "LIST";
  if (!values.empty()) return shown_names(option).back().size() + choice.size() <= kLongestChoice ? choice : "NAME";
  const std::string type = option.get_type_name();
  return type.substr(0, type.find(':'));
}

std::string entry_name(const CLI::Option& option) {
  if (is_argument(option)) return option.get_name(true) + (option.get_items_expected_max() > 1 ? "..." : "");
  const std::string value = value_name(option);
  return fmt::format("{}{}{}", fmt::join(shown_names(option), ", "), value.empty() ? "" : " ", value);
}

std::string first_clause(const CLI::Option& option) {
  const std::string& text = option.get_description();
  return text.substr(0, std::min(text.find("; "), text.find(". ")));
}

std::string usual_value(const CLI::Option& option) {
  std::string usual = option.get_default_str();
  if (usual.starts_with('[') && usual.ends_with(']')) usual = usual.substr(1, usual.size() - 2);  // a list
  return usual == "\"\"" || option.get_description().ends_with(']') ? "" : usual;
}

std::string usage(const CLI::App& app) {
  std::string line = full_name(app) + " [OPTIONS]";
  for (const CLI::Option* option : app.get_options()) {
    if (!is_argument(*option) || !is_shown(*option)) continue;
    const std::string name = entry_name(*option);
    line += option->get_required() ? " " + name : " [" + name + "]";
  }
  for (const CLI::Option* option : app.get_options()) {
    if (is_argument(*option) || !option->get_required()) continue;
    line += fmt::format(" {} {}", shown_names(*option).front(), value_name(*option));
  }
  if (!app.get_subcommands({}).empty()) line += " COMMAND ...";
  return line;
}

Footer footer_of(const CLI::App& app) {
  Footer footer;
  bool in_examples = false;
  for (std::string line : split(app.get_footer(), '\n')) {
    if (line.starts_with("Example")) {
      in_examples = true;
      line.erase(0, std::min(line.size(), line.find(':') + 1));
    }
    line.erase(0, std::min(line.size(), line.find_first_not_of(' ')));
    if (!line.empty()) (in_examples ? footer.examples : footer.notes).push_back(line);
  }
  return footer;
}

bool is_shown(const CLI::App& command) { return !command.get_group().empty(); }
bool is_shown(const CLI::Option& option) { return !option.get_group().empty(); }

bool is_argument(const CLI::Option& option) { return !option.nonpositional(); }

bool takes_network(const CLI::Option& option) {
  return option.get_name(true).find("NETWORK") != std::string::npos || option.check_name("--arch") ||
         option.check_name("--compare");
}

bool is_foreign(const CLI::App& command) { return command.get_prefix_command(); }

}  // namespace resnet::cli
