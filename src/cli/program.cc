#include "cli/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <new>

#include "base/file.h"
#include "base/nearest.h"
#include "base/notice.h"
#include "base/text.h"
#include "cli/signals.h"
#include "resnet/error.h"

namespace resnet::cli {

void say(std::string_view message) {
  constexpr std::size_t kMaxBytes = std::size_t{1} << 20;  // a list of misfitting tensors may be long
  std::fputs(fmt::format("resnet: {}\n", one_line(message, kMaxBytes)).c_str(), stderr);  // closed or not
}

void check_writable(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_fifo(path, ignored)) return;  // whoever reads it would take the closing for its end
  const AtomicFile file(path);
}

void flush_output() {
  std::cout.flush();  // CLI11 prints its help there
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0 || !std::cout) {
    throw Error(ErrorCode::kIo, "", "cannot write to standard output");
  }
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

}  // namespace

int run_program(CLI::App& app, int argc, char** argv) {
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
    return report(error.what(), kWrongUsage);
  } catch (const Usage& error) {
    return report(error.what(), kWrongUsage);
  } catch (const std::bad_alloc&) {
    return report("out of memory", kFailure);
  } catch (const std::exception& error) {  // resnet::Error, and the standard library's: a name too long for the system
    return report(error.what(), kFailure);
  }
  return 0;
}

}  // namespace resnet::cli
