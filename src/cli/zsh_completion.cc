#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>

#include "cli/completion.h"
#include "cli/option_words.h"

namespace resnet::cli {
namespace {

// {0}: the program, {1}: its commands with what they do, {2}: its options, {3}: a case for each command.
constexpr const char* kScript = R"(#compdef {0}
# Completes {0}'s commands and options in zsh; written by `{0} reference`.
_{0}() {{
  if ((CURRENT == 2)); then
    local -a commands=(
{1}    )
    if [[ $PREFIX == -* ]]; then
      compadd -- {2}
    else
      _describe command commands
    fi
    return
  fi
  shift words
  ((CURRENT--))
  case $words[1] in
{3}  esac
}}
_{0} "$@"
)";

// Within single quotes of zsh, with a backslash before what means something to _arguments and _describe.
std::string quoted_zsh(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '\'') {
      result += "'\\''";
    } else {
      if (c == ':' || c == '[' || c == ']' || c == '\\') result += '\\';
      result += c;
    }
  }
  return result;
}

// ":FILE:_files", ":NAME:(fp32 bf16)", ":N: "; empty of a switch.
std::string value_spec(const CLI::Option& option) {
  const std::string value = value_name(option);
  if (value.empty()) return "";
  const std::vector<std::string> values = allowed_values(option);
  std::string action = " ";
  if (takes_network(option)) {
    action = fmt::format("({})", network_names());
  } else if (!values.empty()) {
    action = fmt::format("({})", fmt::join(values, " "));
  } else if (value == "FILE" || value == "MODEL") {
    action = "_files";
  } else if (value == "FOLDER") {
    action = "_files -/";
  }
  return fmt::format(":{}:{}", value, action);
}

std::string command_case_zsh(const CLI::App& command) {
  if (is_foreign(command)) {
    return fmt::format("    {})\n      if [[ $PREFIX == -* ]]; then compadd -- ${{(f)\"$({})\"}}; else _files; fi ;;\n",
                       command.get_name(), listing_of_options(command));
  }
  std::string specs;
  std::string arguments = "'*:file:_files'";
  for (const CLI::Option* option : command.get_options()) {
    if (!is_shown(*option)) continue;
    if (is_argument(*option)) {
      if (takes_network(*option)) {
        arguments = fmt::format("'*:network or file:_alternative \"networks:network:({})\" \"files:file:_files\"'",
                                network_names());
      }
      continue;
    }
    const std::string help = quoted_zsh(first_clause(*option));
    const bool repeated = option->get_items_expected_max() > 1;
    for (const std::string& name : shown_names(*option)) {
      const bool assigned = option->get_type_size() != 0 && name.starts_with("--");
      specs += fmt::format("        '{}{}{}[{}]{}' \\\n", repeated ? "*" : "", name, assigned ? "=" : "", help,
                           value_spec(*option));
    }
  }
  return fmt::format("    {})\n      _arguments -S \\\n{}        {} ;;\n", command.get_name(), specs, arguments);
}

}  // namespace

std::string zsh_completion(const CLI::App& app) {
  std::string commands;
  std::string cases;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (!is_shown(*command)) continue;
    commands += fmt::format("      '{}:{}'\n", command->get_name(), quoted_zsh(command->get_description()));
    cases += command_case_zsh(*command);
  }
  return fmt::format(kScript, app.get_name(), commands, fmt::join(shown_option_names(app), " "), cases);
}

}  // namespace resnet::cli
