// The program `resnet`: finds the command, runs it, turns errors into one line and an exit status.
#include <fmt/format.h>

#include <csignal>
#include <cstdio>
#include <iostream>
#include <new>

#include "base/nearest.h"
#include "base/text.h"
#include "cli/command.h"
#include "resnet/error.h"

namespace resnet::cli {

void say(std::string_view message) {
  constexpr std::size_t kMaxBytes = std::size_t{1} << 20;  // a list of misfitting tensors may be long
  std::fputs(fmt::format("resnet: {}\n", one_line(message, kMaxBytes)).c_str(), stderr);  // closed or not
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

int run(int argc, char** argv) {
  CLI::App app("Residual networks in native C++: describe, inspect, convert, run and measure them.", "resnet");
  app.set_version_flag("--version", "resnet " RESNET_VERSION);
  app.require_subcommand(1);
  app.footer("resnet COMMAND --help explains a command and shows an example.");
  add_reference(app);
  add_summary(app);
  add_draw(app);
  add_init(app);
  add_inspect(app);
  add_convert(app);
  add_export(app);
  add_preprocess(app);
  add_predict(app);
  add_eval(app);
  add_compare(app);
  add_explain(app);
  add_features(app);
  add_similar(app);
  add_bench(app);
  add_make_dataset(app);
  add_quantize(app);
  try {
    check_command(app, argc, argv);
    try {
      app.parse(argc, argv);
    } catch (const CLI::Success& success) {  // --help, --version
      app.exit(success);
    }
    flush_output();
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

}  // namespace
}  // namespace resnet::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_DFL);  // `resnet ... | head` ends quietly
  return resnet::cli::run(argc, argv);
}
