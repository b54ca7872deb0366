// resnet train and resnet study: run the trainer, a program of its own, so that this one links no LibTorch and starts
// at once.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "cli/command.h"

namespace resnet::cli {
namespace {

constexpr const char* kTrainer = "resnet-train";

[[noreturn]] void run_trainer(const char* command, std::vector<std::string> arguments) {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::string trainer = (self.parent_path() / kTrainer).string();
  if (!std::filesystem::exists(trainer, error)) {
    fail(ErrorCode::kNotFound, trainer,
         "the trainer is not there: the Debian package has none, and it is built where LibTorch is, with `make "
         "TORCH=DIR` "
         "or the CPU wheel of torch in .venv (docs/training.md)");
  }
  arguments.insert(arguments.begin(), {"resnet", command});
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ::execv(trainer.c_str(), argv.data());
  fail(ErrorCode::kIo, trainer, "cannot run: {}", std::strerror(errno));
}

}  // namespace

void add_train(Command& app) {
  const auto add = [&](const char* name, const char* description) {
    Command* command = app.add_subcommand(name, description);
    command->pass_arguments_on();
    command->callback([=] { run_trainer(name, command->remaining()); });
  };
  add("train", "Train a network on pictures, fine-tune one, go on with a run");
  add("study", "Repeat an experiment of the paper: plain and residual networks of growing depth");
}

}  // namespace resnet::cli
