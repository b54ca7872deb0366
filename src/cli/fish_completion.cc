#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>

#include "cli/completion.h"
#include "cli/option_words.h"

namespace resnet::cli {
namespace {

std::string quoted_fish(const std::string& text) {
  std::string result = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') result += '\\';
    result += c;
  }
  return result + "'";
}

// " -s o -l out"
std::string name_words(const CLI::Option& option) {
  std::string words;
  for (const std::string& name : shown_names(option)) {
    words += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  return words;
}

// What may follow: nothing, a file, one of some words, or what cannot be known.
std::string value_words(const CLI::Option& option) {
  const std::string value = value_name(option);
  if (value.empty()) return "";
  if (takes_network(option)) return " -x -a " + quoted_fish(network_names());
  if (const auto values = allowed_values(option); !values.empty()) {
    return fmt::format(" -x -a '{}'", fmt::join(values, " "));
  }
  return value == "FILE" || value == "MODEL" || value == "FOLDER" ? " -r -F" : " -x";
}

std::string command_lines(const CLI::App& command) {
  const std::string& program = command.get_parent()->get_name();
  const std::string& name = command.get_name();
  std::string lines = fmt::format("complete -c {} -n __fish_use_subcommand -f -a {} -d {}\n", program, name,
                                  quoted_fish(command.get_description()));
  const std::string start = fmt::format("complete -c {} -n '__fish_seen_subcommand_from {}'", program, name);
  if (is_foreign(command))
    return lines + start + fmt::format(" -a {}\n", quoted_fish("(" + listing_of_options(command) + ")"));
  for (const CLI::Option* option : command.get_options()) {
    if (!is_shown(*option)) continue;
    if (!is_argument(*option)) {
      lines += fmt::format("{}{}{} -d {}\n", start, name_words(*option), value_words(*option),
                           quoted_fish(first_clause(*option)));
    } else if (takes_network(*option)) {
      lines += fmt::format("{} -a {}\n", start, quoted_fish(network_names()));
    }
  }
  return lines;
}

}  // namespace

std::string fish_completion(const CLI::App& app) {
  std::string text =
      fmt::format("# Completes {0}'s commands and options in fish; written by `{0} reference`.\n", app.get_name());
  for (const CLI::Option* option : app.get_options()) {
    if (!is_shown(*option)) continue;
    text += fmt::format("complete -c {} -n __fish_use_subcommand{} -d {}\n", app.get_name(), name_words(*option),
                        quoted_fish(first_clause(*option)));
  }
  for (const CLI::App* command : app.get_subcommands({})) {
    if (is_shown(*command)) text += command_lines(*command);
  }
  return text;
}

}  // namespace resnet::cli
