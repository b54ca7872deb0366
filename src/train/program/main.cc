// The program `resnet-train`, which `resnet` runs for the commands that need gradients.
#include <cstdlib>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "cli/command.h"
#include "cli/program.h"
#include "cli/signals.h"
#include "train/program/train_command.h"

int main(int argc, char** argv) {
  using namespace resnet::cli;
  hold_standard_descriptors();
  setenv("TORCH_CPP_LOG_LEVEL", "ERROR", /*overwrite=*/0);  // its warnings of sockets come as errors of ours
#ifdef __GLIBC__
  // What is freed is kept: each step asks for the same memory again, and every page given back costs a fault.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);
#endif
  Command app("The trainer of `resnet`.", "resnet");
  app.require_subcommand();
  app.set_version_flag("--version", "resnet " RESNET_VERSION);
  add_reference(app);
  app.heading("Train");
  add_trainer(app);
  add_study(app);
  return run_program(app, argc, argv);
}
