#include "cli/man_page.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <sstream>

namespace resnet::cli {
namespace {

constexpr const char* kEpilogue =
    R"(.SH EXIT STATUS
0: done. 1: the input was bad, and one line on standard error says what and where. 2: wrong usage.
.SH ENVIRONMENT
.TP
\fBRESNET_ISA\fR
The instruction set to use instead of the best that the processor has: \fBref\fR, \fBavx2\fR, \fBavx512\fR, ...
Empty: the best.
)";

// Text in which nothing means anything to roff. Hyphens stay what they are in names that people copy.
std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '\\') {
      result += "\\e";
    } else if (c == '-') {
      result += "\\-";
    } else if ((c == '.' || c == '\'') && (result.empty() || result.back() == '\n')) {
      result += std::string("\\&") + c;
    } else {
      result += c;
    }
  }
  return result;
}

std::string bold(const std::string& text) { return "\\fB" + escaped(text) + "\\fR"; }

const CLI::App& root(const CLI::App& app) { return app.get_parent() == nullptr ? app : root(*app.get_parent()); }

bool shown(const CLI::App& command) { return !command.get_group().empty(); }

std::string full_name(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name() : full_name(*app.get_parent()) + " " + app.get_name();
}

std::string man_page_name(const CLI::App& app) {
  std::string name = full_name(app);
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

std::string synopsis(const CLI::App& app) {
  std::string line = bold(full_name(app)) + " [OPTIONS]";
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional()) line += " " + escaped(CLI::Formatter().make_option_usage(option));
  }
  if (!app.get_subcommands({}).empty()) line += " COMMAND ...";
  return line;
}

// "-o,--output TEXT REQUIRED", then what it does.
std::string option_entry(const CLI::Option& option, bool positional) {
  const std::string name = option.get_name(positional, !positional);
  return fmt::format(".TP\n{}{}\n{}\n", bold(name), escaped(CLI::Formatter().make_option_opts(&option)),
                     escaped(option.get_description()));
}

std::string options_sections(const CLI::App& app) {
  std::string arguments;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional() && !option->get_group().empty()) arguments += option_entry(*option, true);
  }
  std::string result = arguments.empty() ? "" : ".SH ARGUMENTS\n" + arguments;
  result += ".SH OPTIONS\n";
  for (const std::string& group : app.get_groups()) {
    const auto options = app.get_options(
        [&](const CLI::Option* option) { return option->get_group() == group && option->nonpositional(); });
    if (group.empty() || options.empty()) continue;
    if (group != "Options") result += fmt::format(".SS {}\n", escaped(group));
    for (const CLI::Option* option : options) result += option_entry(*option, false);
  }
  return result;
}

std::string commands_section(const CLI::App& app) {
  std::string result = ".SH COMMANDS\n";
  for (const CLI::App* command : app.get_subcommands({})) {
    if (!shown(*command)) continue;
    result += fmt::format(".TP\n{}\n{}. See {}(1).\n", bold(command->get_name()), escaped(command->get_description()),
                          bold(man_page_name(*command)));
  }
  return result;
}

// The footer's lines as they stand: what comes before "Examples:" as notes, the rest as examples.
std::string footer_sections(const CLI::App& app) {
  std::string notes;
  std::string examples;
  bool in_examples = false;
  std::istringstream lines(app.get_footer());
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("Example")) {
      in_examples = true;
      line.erase(0, std::min(line.size(), line.find(':') + 1));
    }
    line.erase(0, std::min(line.size(), line.find_first_not_of(' ')));
    if (!line.empty()) (in_examples ? examples : notes) += escaped(line) + "\n";
  }
  std::string result;
  if (!notes.empty()) result += ".SH NOTES\n.nf\n" + notes + ".fi\n";
  if (!examples.empty()) result += ".SH EXAMPLES\n.nf\n" + examples + ".fi\n";
  return result;
}

std::string see_also(const CLI::App& app) {
  if (app.get_parent() != nullptr) return ".SH SEE ALSO\n" + bold(man_page_name(root(app))) + "(1)\n";
  return "";
}

std::string man_page(const CLI::App& app) {
  const std::string name = man_page_name(app);
  std::string title = name;
  std::transform(title.begin(), title.end(), title.begin(), [](unsigned char c) { return std::toupper(c); });
  std::string page =
      fmt::format(".TH {} 1 \"\" \"{}\" \"User Commands\"\n.nh\n.ad l\n", title, escaped(root(app).version()));
  page += fmt::format(".SH NAME\n{} \\- {}\n", escaped(name), escaped(app.get_description()));
  page += fmt::format(".SH SYNOPSIS\n{}\n", synopsis(app));
  const bool program = !app.get_subcommands({}).empty();
  if (program) page += commands_section(app);
  page += options_sections(app);
  page += footer_sections(app);
  return page + kEpilogue + see_also(app);
}

}  // namespace

std::vector<ManPage> man_pages(const CLI::App& program) {
  std::vector<ManPage> pages = {{man_page_name(program), man_page(program)}};
  for (const CLI::App* command : program.get_subcommands({})) {
    if (shown(*command) && !command->get_prefix_command())
      pages.push_back({man_page_name(*command), man_page(*command)});
  }
  return pages;
}

}  // namespace resnet::cli
