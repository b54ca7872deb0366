// The program `resnet-serve`, which `resnet serve` runs.
#include "cli/command.h"
#include "cli/program.h"
#include "cli/signals.h"
#include "serve/program/serve_command.h"

int main(int argc, char** argv) {
  using namespace resnet::cli;
  hold_standard_descriptors();
  Command app("The server of `resnet`.", "resnet");
  app.require_subcommand();
  app.set_version_flag("--version", "resnet " RESNET_VERSION);
  add_reference(app);
  add_server(app);
  return run_program(app, argc, argv);
}
