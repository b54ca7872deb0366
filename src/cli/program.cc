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
#include "cli/option_words.h"
#include "cli/signals.h"
#include "cli/way_out.h"
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
void check_command(const CLI::App& app, const std::string& word) {
  if (word.starts_with('-')) return;
  std::vector<std::string> names;
  for (const CLI::App* command : app.get_subcommands({})) names.push_back(command->get_name());
  if (std::find(names.begin(), names.end(), word) != names.end()) return;
  const std::string other = command_of_others(word, app.get_name());
  if (!other.empty()) throw Usage(fmt::format("no command '{}'{}", word, other));
  std::erase_if(names, [&](const std::string& name) { return !is_shown(*app.get_subcommand(name)); });
  names.emplace_back("help");
  const std::string near = did_you_mean(word, names);
  throw Usage(fmt::format("no command '{}'{}", one_line(word),
                          near.empty() ? fmt::format("; `{} help` lists them", app.get_name()) : near));
}

// `help` and `help COMMAND` are --help and COMMAND --help; nothing at all is `help`.
std::vector<std::string> arguments_of(int argc, char** argv) {
  std::vector<std::string> words(argv + std::min(argc, 1), argv + argc);
  if (words.empty()) return {"--help"};
  if (words[0] != "help") return words;
  if (words.size() == 1) return {"--help"};
  words.erase(words.begin());
  words.resize(1);
  words.emplace_back("--help");
  return words;
}

// "no option '--layot'; did you mean --layout?" for the first word that no command has use for.
std::string text_of(const CLI::App& app, const CLI::ExtrasError& error) {
  for (const CLI::App* command : app.get_subcommands()) {
    for (const std::string& word : command->remaining()) {
      if (!word.starts_with("-") || word == "-") {
        return fmt::format("'{}' is one argument too many; usage: {}", one_line(word), usage(*command));
      }
      const std::string near = option_meant(word, shown_option_names(*command));
      return fmt::format(
          "no option '{}'{}", one_line(word),
          near.empty() ? fmt::format("; `{} {} --help-all` lists them", app.get_name(), command->get_name()) : near);
    }
  }
  return error.what();
}

// "PICTURES is required; usage: resnet predict [OPTIONS] MODEL PICTURES..."
std::string text_of(const CLI::App& app, const CLI::RequiredError& error) {
  const std::string text = error.what();
  const auto commands = app.get_subcommands();
  return commands.empty() ? text : fmt::format("{}; usage: {}", text, usage(*commands.front()));
}

// What CLI11 says, where its words are not those of its inside.
std::string text_of(const CLI::ParseError& error) {
  const std::string text = error.what();
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
    std::vector<std::string> words = arguments_of(argc, argv);
    check_command(app, words.front());
    std::reverse(words.begin(), words.end());  // as parse() takes them
    try {
      app.parse(std::move(words));
    } catch (const CLI::Success& success) {  // --help, --version
      app.exit(success);
    }
    flush_output();
  } catch (const Interrupted&) {
    end_by_signal(stop_signal());
  } catch (const CLI::ExtrasError& error) {
    return report(text_of(app, error), kWrongUsage);
  } catch (const CLI::RequiredError& error) {
    return report(text_of(app, error), kWrongUsage);
  } catch (const CLI::ParseError& error) {
    return report(text_of(error), kWrongUsage);
  } catch (const Usage& error) {
    return report(error.what(), kWrongUsage);
  } catch (const Error& error) {
    return report(error.what() + file_meant(error), kFailure);
  } catch (const std::exception& fault) {
    if (std::ferror(stdout) != 0) return report("cannot write to standard output", kFailure);
    return report(describe_fault(fault), kFailure);
  }
  return 0;
}

}  // namespace resnet::cli
