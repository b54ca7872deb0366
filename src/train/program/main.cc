// The program `resnet-train`, which `resnet` runs for the commands that need gradients.
#include <cstdlib>

#include "cli/program.h"
#include "train/program/train_command.h"

int main(int argc, char** argv) {
  using namespace resnet::cli;
  setenv("TORCH_CPP_LOG_LEVEL", "ERROR", /*overwrite=*/0);  // its warnings of sockets come as errors of ours
  CLI::App app("The trainer of `resnet`.", "resnet");
  app.require_subcommand(1);
  app.set_version_flag("--version", "resnet " RESNET_VERSION);
  add_reference(app);
  add_trainer(app);
  add_study(app);
  return run_program(app, argc, argv);
}
