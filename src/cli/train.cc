// resnet train and resnet study: run the trainer, a program of its own, so that this one links no LibTorch and starts
// at once.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "base/error.h"
#include "cli/beside.h"
#include "cli/command.h"

namespace resnet::cli {
namespace {

constexpr const char* kTrainer = "resnet-train";

// What a program prints that the dynamic loader is asked to list the libraries of, without running it: lines
// "libc10.so => /usr/lib/libc10.so (0x7f...)" (ld.so(8)).
std::string listed_libraries(const std::string& program) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return "";
  const pid_t child = ::fork();
  if (child == 0) {
    ::setenv("LD_TRACE_LOADED_OBJECTS", "1", /*overwrite=*/1);
    ::dup2(ends[1], STDOUT_FILENO);
    ::execl(program.c_str(), program.c_str(), "--version", nullptr);
    ::_exit(127);
  }
  ::close(ends[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t got; child > 0 && (got = ::read(ends[0], buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(ends[0]);
  if (child > 0) ::waitpid(child, nullptr, 0);
  return text;
}

// The loader's own message names one library, and no way out.
void check_libraries(const std::string& trainer) {
  std::istringstream lines(listed_libraries(trainer));
  std::vector<std::string> missing;
  for (std::string line; std::getline(lines, line);) {
    const std::size_t arrow = line.find(" => not found");
    const std::size_t name = line.find_first_not_of(" \t");
    if (arrow != std::string::npos && name < arrow) missing.push_back(line.substr(name, arrow - name));
  }
  if (missing.empty()) return;
  fail(ErrorCode::kNotFound, trainer,
       "cannot start, as {} {} not where it was when this was built: install LibTorch there, name its folder in "
       "LD_LIBRARY_PATH, or build anew with `make TORCH=DIR` (docs/training.md)",
       fmt::join(missing, ", "), missing.size() == 1 ? "is" : "are");
}

[[noreturn]] void run_trainer(const char* command, std::vector<std::string> arguments) {
  const std::string trainer = program_beside(kTrainer);
  if (!std::filesystem::exists(trainer)) {
    fail(ErrorCode::kNotFound, trainer,
         "the trainer is not there: the Debian package has none; `make build` puts it beside this program, with "
         "LibTorch or "
         "without (docs/training.md)");
  }
  check_libraries(trainer);
  run_beside(trainer, command, std::move(arguments));
}

}  // namespace

void add_train(Command& app) {
  const auto add = [&](const char* name, const char* description) {
    Command* command = app.add_subcommand(name, description);
    command->pass_arguments_on();
    command->callback([=] { run_trainer(name, command->remaining()); });
  };
  add("train", "Train a network, fine-tune one, resume a run");
  add("study", "Repeat the paper's experiment on depth");
}

}  // namespace resnet::cli
