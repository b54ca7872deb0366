// The program `resnet-serve`, which `resnet serve` runs.
#include <cstdlib>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "cli/command.h"
#include "cli/program.h"
#include "cli/signals.h"
#include "serve/program/serve_command.h"

int main(int argc, char** argv) {
  using namespace resnet::cli;
  hold_standard_descriptors();
#ifdef __GLIBC__
  // Bodies of a few megabytes are kept for the next request: every page given back costs a fault.
  mallopt(M_MMAP_THRESHOLD, 4 << 20);
  mallopt(M_TRIM_THRESHOLD, 16 << 20);
#endif
  Command app("The server of `resnet`.", "resnet");
  app.require_subcommand();
  app.set_version_flag("--version", "resnet " RESNET_VERSION);
  add_reference(app);
  add_server(app);
  return run_program(app, argc, argv);
}
