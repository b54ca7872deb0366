#include "cli/program.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <new>

#include "base/fault.h"
#include "base/file.h"
#include "base/nearest.h"
#include "base/notice.h"
#include "base/text.h"
#include "cli/command.h"
#include "cli/signals.h"
#include "console/output.h"
#include "resnet/error.h"

namespace resnet::cli {

void check_writable(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_fifo(path, ignored)) return;  // whoever reads it would take the closing for its end
  const AtomicFile file(path);
}

namespace {

constexpr int kFailure = 1;
constexpr int kWrongUsage = 2;

int report(const std::string& message, int status) {
  say(message);
  return status;
}

// "no command 'sumary'; did you mean summary?" for a first word that is none.
void check_command(const CLI::App& app, int argc, char** argv) {
  if (argc < 2 || argv[1][0] == '-') return;
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  if (std::find(names.begin(), names.end(), argv[1]) != names.end()) return;
  throw Usage(fmt::format("no command '{}'; did you mean {}?", argv[1], nearest(argv[1], names, 1)[0]));
}

// "no option '--layot'; did you mean --layout?" for the first that no command has; else what CLI11 says.
std::string text_of(const CLI::App& app, const CLI::ExtrasError& error) {
  for (const CLI::App* command : app.get_subcommands()) {
    for (const std::string& word : command->remaining()) {
      if (!word.starts_with("--")) continue;
      std::vector<std::string> names;
      for (const CLI::Option* option : command->get_options()) {
        for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
      }
      return fmt::format("no option '{}'; did you mean {}?", one_line(word), nearest(word, names, 1)[0]);
    }
  }
  return error.what();
}

// What CLI11 says, where its words are not those of its inside.
std::string text_of(const CLI::ParseError& error) {
  const std::string text = error.what();
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && text.starts_with("A subcommand")) {
    return "no command; --help lists them";
  }
  // "--threads: 1 required INT:INT in [0 - 1024] missing"
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr && text.ends_with(" missing")) {
    return text.substr(0, text.find(": ")) + ": its value is missing";
  }
  // "--top: At Most 1 required but received 2"
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr && text.find("At Most 1 required") != text.npos) {
    return text.substr(0, text.find(": ")) + ": is given more than once";
  }
  // "Could not convert: --size = nan"
  constexpr std::string_view kConversion = "Could not convert: ";
  if (dynamic_cast<const CLI::ConversionError*>(&error) != nullptr && text.starts_with(kConversion)) {
    const std::size_t equals = std::min(text.find(" = "), text.size() - 3);
    const std::string name = text.substr(kConversion.size(), equals - kConversion.size());
    return fmt::format("{}: '{}' is not what it takes", name, text.substr(equals + 3));
  }
  return text;
}

}  // namespace

int run_program(Command& program, int argc, char** argv) {
  CLI::App& app = program.parser();
  std::signal(SIGPIPE, SIG_DFL);  // `resnet ... | head` ends quietly
  remove_temporary_files_at_signals();
  set_notice_handler(say);
  try {
    check_command(app, argc, argv);
    try {
      app.parse(argc, argv);
    } catch (const CLI::Success& success) {  // --help, --version
      app.exit(success);
    }
    flush_output();
  } catch (const Interrupted&) {
    end_by_signal(stop_signal());
  } catch (const CLI::ExtrasError& error) {
    return report(text_of(app, error), kWrongUsage);
  } catch (const CLI::ParseError& error) {
    return report(text_of(error), kWrongUsage);
  } catch (const Usage& error) {
    return report(error.what(), kWrongUsage);
  } catch (const Error& error) {
    return report(error.what(), kFailure);
  } catch (const std::exception& fault) {
    if (std::ferror(stdout) != 0) return report("cannot write to standard output", kFailure);
    return report(describe_fault(fault), kFailure);
  }
  return 0;
}

}  // namespace resnet::cli
