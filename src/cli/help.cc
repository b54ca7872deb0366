#include "cli/help.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <sstream>

#include "cli/option_words.h"

namespace resnet::cli {
namespace {

constexpr std::size_t kColumns = 80;
constexpr std::size_t kNameColumn = 24;     // that descriptions begin in
constexpr const char* kCommon = "Options";  // CLI11's heading of options that were given none

// `head`, and `text` beside it from a column on, in as many lines as it takes.
std::string filled(const std::string& head, std::size_t column, const std::string& text) {
  std::string result = head;
  std::string line = std::string(column, ' ');
  if (head.size() + (head.empty() ? 0 : 2) <= column) {
    line.replace(0, head.size(), head);
    result.clear();
  } else {
    result += "\n";
  }
  bool begun = false;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (begun && line.size() + 1 + word.size() > kColumns) {
      result += line + "\n";
      line.assign(column, ' ');
      begun = false;
    }
    line += (begun ? " " : "") + word;
    begun = true;
  }
  return result + line + "\n";
}

// "  --top N               How many classes [5]"
std::string entry(const std::string& name, const std::string& text, std::size_t column = kNameColumn) {
  return filled("  " + name, column, text);
}

std::string option_entry(const CLI::Option& option, bool all) {
  std::string text = all ? option.get_description() : first_clause(option);
  const std::vector<std::string> values = allowed_values(option);
  if (!values.empty() && value_name(option) == "NAME" && text.find(values.back()) == std::string::npos) {
    text += fmt::format(": {}", fmt::join(values, ", "));
  }
  if (const std::string usual = usual_value(option); !usual.empty()) text += fmt::format(" [{}]", usual);
  return entry(entry_name(option), text);
}

bool is_help(const CLI::App& app, const CLI::Option* option) {
  return option == app.get_help_ptr() || option == app.get_help_all_ptr();
}

std::vector<const CLI::Option*> options_of(const CLI::App& app, const std::string& heading) {
  return app.get_options(
      [&](const CLI::Option* option) { return !is_argument(*option) && option->get_group() == heading; });
}

std::string arguments(const CLI::App& app, bool all) {
  std::string text;
  for (const CLI::Option* option : app.get_options()) {
    if (is_argument(*option) && is_shown(*option)) text += option_entry(*option, all);
  }
  return text;
}

std::string options(const CLI::App& app, bool all) {
  std::string text;
  for (const CLI::Option* option : options_of(app, kCommon)) {
    if (all || !is_help(app, option)) text += option_entry(*option, all);
  }
  std::vector<std::string> headings = app.get_groups();
  std::stable_partition(headings.begin(), headings.end(), [](const auto& heading) { return heading != kMoreOptions; });
  std::size_t more = 0;
  for (const std::string& heading : headings) {
    const auto below = options_of(app, heading);
    if (heading.empty() || heading == kCommon || below.empty()) continue;
    more += below.size();
    if (all) text += "\n" + heading + ":\n";
    for (const CLI::Option* option : below) text += all ? option_entry(*option, all) : "";
  }
  return all || more == 0 ? text : text + entry("--help-all", fmt::format("Print all options, {} more", more));
}

std::string command_help(const CLI::App& app, bool all) {
  std::string text = fmt::format("{}.\n\nUsage: {}\n\n", app.get_description(), usage(app));
  if (const std::string places = arguments(app, all); !places.empty()) text += places + "\n";
  text += fmt::format("Options:\n{}", options(app, all));
  const Footer footer = footer_of(app);
  if (all && !footer.notes.empty()) text += "\n" + filled("", 0, fmt::format("{}", fmt::join(footer.notes, " ")));
  text += "\nExamples:\n";
  for (const std::string& example : footer.examples) text += fmt::format("  {}\n", example);
  return text;
}

std::string program_help(const CLI::App& app) {
  std::string text = app.get_description() + "\n\nUsage: " + app.get_name() + " COMMAND ...\n";
  std::string heading;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (!is_shown(*command)) continue;
    if (command->get_group() != heading) text += fmt::format("\n{}:\n", heading = command->get_group());
    text += entry(command->get_name(), command->get_description(), 16);
  }
  return text + "\n" + app.get_footer() + "\n";
}

}  // namespace

std::string help(const CLI::App& app, bool all) {
  return app.get_subcommands({}).empty() ? command_help(app, all) : program_help(app);
}

}  // namespace resnet::cli
