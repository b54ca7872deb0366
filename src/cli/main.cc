// The program `resnet`: its commands.
#include "cli/command.h"
#include "cli/program.h"
#include "cli/signals.h"

int main(int argc, char** argv) {
  using namespace resnet::cli;
  hold_standard_descriptors();
  Command app("Residual networks in native C++: describe, run, judge, explain, train them.", "resnet");
  app.set_version_flag("--version", "resnet " RESNET_VERSION);
  app.require_subcommand();
  app.footer("`resnet help COMMAND` explains one and shows examples.");
  add_reference(app);
  app.heading("Use a model");
  add_predict(app);
  add_explain(app);
  add_features(app);
  add_similar(app);
  add_serve(app);
  app.heading("Know how good it is");
  add_eval(app);
  add_compare(app);
  add_check(app);
  app.heading("Look into files, write others");
  add_inspect(app);
  add_convert(app);
  add_quantize(app);
  add_export(app);
  app.heading("Networks");
  add_summary(app);
  add_draw(app);
  add_bench(app);
  add_init(app);
  app.heading("Train");
#ifdef RESNET_TRAIN  // by CMakeLists.txt
  add_train(app);
#endif
  add_make_dataset(app);
  add_preprocess(app);
  return run_program(app, argc, argv);
}
