#include "cli/bash_completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>

#include "resnet/architecture.h"

namespace resnet::cli {
namespace {

// {0}: the program, {1}: its commands, {2}: its options, {3}: names of networks, {4}: a case for each command.
constexpr const char* kScript = R"(# Completes {0}'s commands and options in bash; written by `{0} reference`.
_{0}() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}}
  if [[ $word == "=" ]]; then word=; fi
  if [[ $before == "=" ]]; then before=${{COMP_WORDS[COMP_CWORD-2]}}; fi
  local networks='{3}'
  local options= values= words=
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W '{1} {2}' -- "$word")
    return
  fi
  case ${{COMP_WORDS[1]}} in
{4}  esac
  if [[ -n $values ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
  elif [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
  else
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word"; compgen -f -- "$word")
  fi
}}
complete -F _{0} {0}
)";

std::vector<std::string> dashed_names(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    const std::vector<std::string> own = dashed_names(*option);
    names.insert(names.end(), own.begin(), own.end());
  }
  return names;
}

// "a b" of an option whose check allows {a,b}; "" of others.
std::string allowed_values(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const std::size_t open = type.find('{');
  const std::size_t close = type.find('}', open);
  if (open == std::string::npos || close == std::string::npos) return "";
  std::string values = type.substr(open + 1, close - open - 1);
  std::replace(values.begin(), values.end(), ',', ' ');
  return values;
}

bool takes_network(const CLI::Option& option) {
  return option.get_name(true).find("NETWORK") != std::string::npos || option.check_name("--arch") ||
         option.check_name("--compare");
}

// The options of a command that another program carries out: those of its --help, where that program is.
std::string foreign_case(const CLI::App& command) {
  return fmt::format(
      "    {0})\n      options=$({1} {0} --help 2>/dev/null | grep -oE '^ +(-.,)?--[a-z0-9-]+' | grep -oE -- '--.*') "
      ";;\n",
      command.get_name(), command.get_parent()->get_name());
}

std::string command_case(const CLI::App& command) {
  if (command.get_prefix_command()) return foreign_case(command);
  std::string values;
  std::string words;
  for (const CLI::Option* option : command.get_options()) {
    if (option->get_positional() && takes_network(*option)) words = " words=$networks";
    if (!option->nonpositional() || option->get_type_size() == 0) continue;
    const std::string allowed = takes_network(*option) ? "$networks" : allowed_values(*option);
    if (allowed.empty()) continue;
    values += fmt::format("        {}) values=\"{}\" ;;\n", fmt::join(dashed_names(*option), "|"), allowed);
  }
  return fmt::format("    {})\n      options='{}'{}\n{}      ;;\n", command.get_name(),
                     fmt::join(option_names(command), " "), words,
                     values.empty() ? "" : "      case $before in\n" + values + "      esac\n");
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
  std::vector<std::string> commands;
  std::string cases;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (command->get_group().empty()) continue;
    commands.push_back(command->get_name());
    cases += command_case(*command);
  }
  std::vector<std::string> networks;
  for (const Architecture& architecture : catalog()) networks.push_back(architecture.name);
  return fmt::format(kScript, app.get_name(), fmt::join(commands, " "), fmt::join(option_names(app), " "),
                     fmt::join(networks, " "), cases);
}

}  // namespace resnet::cli
