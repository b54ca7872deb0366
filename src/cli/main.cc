// The program `resnet`: its commands.
#include "cli/command.h"
#include "cli/program.h"
#include "cli/signals.h"

int main(int argc, char** argv) {
  using namespace resnet::cli;
  hold_standard_descriptors();
  Command app("Residual networks in native C++: describe, inspect, convert, run, measure and explain them.", "resnet");
  app.set_version_flag("--version", "resnet " RESNET_VERSION);
  app.require_subcommand();
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
  add_check(app);
  add_explain(app);
  add_features(app);
  add_similar(app);
  add_bench(app);
  add_make_dataset(app);
  add_quantize(app);
  add_serve(app);
#ifdef RESNET_TRAIN  // by CMakeLists.txt
  add_train(app);
#endif
  return run_program(app, argc, argv);
}
