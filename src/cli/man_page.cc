#include "cli/man_page.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>

#include "cli/option_words.h"

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

std::string full_name(const CLI::App& app) {
  return app.get_parent() == nullptr ? app.get_name() : full_name(*app.get_parent()) + " " + app.get_name();
}

std::string man_page_name(const CLI::App& app) {
  std::string name = full_name(app);
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

std::string synopsis(const CLI::App& app) {
  const std::string line = usage(app);
  const std::size_t end = full_name(app).size();
  return bold(line.substr(0, end)) + escaped(line.substr(end));
}

// "-o, --out FILE", then what it does.
std::string option_entry(const CLI::Option& option) {
  std::string text = option.get_description();
  if (const std::string usual = usual_value(option); !usual.empty()) text += " [" + usual + "]";
  const std::string name =
      is_argument(option) ? entry_name(option) : fmt::format("{}", fmt::join(shown_names(option), ", "));
  const std::string value = is_argument(option) ? "" : value_name(option);
  return fmt::format(".TP\n{}{}\n{}\n", bold(name), value.empty() ? "" : " " + escaped(value), escaped(text));
}

std::string options_sections(const CLI::App& app) {
  std::string arguments;
  for (const CLI::Option* option : app.get_options()) {
    if (is_argument(*option) && is_shown(*option)) arguments += option_entry(*option);
  }
  std::string result = arguments.empty() ? "" : ".SH ARGUMENTS\n" + arguments;
  result += ".SH OPTIONS\n";
  for (const std::string& group : app.get_groups()) {
    const auto options = app.get_options(
        [&](const CLI::Option* option) { return option->get_group() == group && option->nonpositional(); });
    if (group.empty() || options.empty()) continue;
    if (group != "Options") result += fmt::format(".SS {}\n", escaped(group));
    for (const CLI::Option* option : options) result += option_entry(*option);
  }
  return result;
}

std::string commands_section(const CLI::App& app) {
  std::string result = ".SH COMMANDS\n";
  std::string heading;
  for (const CLI::App* command : app.get_subcommands({})) {
    if (!is_shown(*command)) continue;
    if (command->get_group() != heading) result += fmt::format(".SS {}\n", escaped(heading = command->get_group()));
    result += fmt::format(".TP\n{}\n{}. See {}(1).\n", bold(command->get_name()), escaped(command->get_description()),
                          bold(man_page_name(*command)));
  }
  return result;
}

std::string footer_sections(const CLI::App& app) {
  const Footer footer = footer_of(app);
  const auto section = [](const char* title, const std::vector<std::string>& lines) {
    if (lines.empty()) return std::string();
    std::string text = fmt::format(".SH {}\n.nf\n", title);
    for (const std::string& line : lines) text += escaped(line) + "\n";
    return text + ".fi\n";
  };
  return section("NOTES", footer.notes) + section("EXAMPLES", footer.examples);
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
    if (is_shown(*command) && !is_foreign(*command)) pages.push_back({man_page_name(*command), man_page(*command)});
  }
  return pages;
}

}  // namespace resnet::cli
