#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>

#include "cli/completion.h"
#include "cli/option_words.h"
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

std::string foreign_case(const CLI::App& command) {
  return fmt::format("    {})\n      options=$({}) ;;\n", command.get_name(), listing_of_options(command));
}

std::string command_case(const CLI::App& command) {
  if (is_foreign(command)) return foreign_case(command);
  std::string values;
  std::string words;
  for (const CLI::Option* option : command.get_options()) {
    if (is_argument(*option) && takes_network(*option)) words = " words=$networks";
    if (!option->nonpositional() || option->get_type_size() == 0) continue;
    const std::string allowed =
        takes_network(*option) ? "$networks" : fmt::format("{}", fmt::join(allowed_values(*option), " "));
    if (allowed.empty()) continue;
    values += fmt::format("        {}) values=\"{}\" ;;\n", fmt::join(shown_names(*option), "|"), allowed);
  }
  return fmt::format("    {})\n      options='{}'{}\n{}      ;;\n", command.get_name(),
                     fmt::join(shown_option_names(command), " "), words,
                     values.empty() ? "" : "      case $before in\n" + values + "      esac\n");
}

}  // namespace

std::string network_names() {
  std::vector<std::string> names;
  for (const Architecture& architecture : catalog()) names.push_back(architecture.name);
  return fmt::format("{}", fmt::join(names, " "));
}

std::string listing_of_options(const CLI::App& foreign) {
  return fmt::format("{} {} --help-all 2>/dev/null | grep -oE '^ +(-., )?--[a-z0-9-]+' | grep -oE -- '--.*'",
                     foreign.get_parent()->get_name(), foreign.get_name());
}

std::string bash_completion(const CLI::App& app) {
  std::vector<std::string> commands;
  std::string cases;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (!is_shown(*command)) continue;
    commands.push_back(command->get_name());
    cases += command_case(*command);
  }
  return fmt::format(kScript, app.get_name(), fmt::join(commands, " "), fmt::join(shown_option_names(app), " "),
                     network_names(), cases);
}

}  // namespace resnet::cli
