// resnet make-dataset: pictures to try things out on.
#include <fmt/format.h>

#include "base/text.h"
#include "cli/command.h"
#include "cli/signals.h"
#include "console/json.h"
#include "console/progress.h"
#include "dataset/shapes.h"

namespace resnet::cli {
namespace {

struct Options {
  std::string kind;
  std::string out;
  ShapesOptions shapes;
  bool json = false;
};

void make_dataset(const Options& options) {
  const ShapesOptions& shapes = options.shapes;
  Progress progress("pictures", static_cast<std::size_t>(shapes.train) + static_cast<std::size_t>(shapes.val));
  catch_signals(SecondSignal::kPasses);  // a folder is to be removed
  make_shapes(options.out, shapes, [&](int done) {
    progress.update(done);
    if (stop_signal() != 0) throw Interrupted();  // which removes what is there so far
  });
  progress.clear();
  if (options.json) {
    const JsonObject json = {{"path", options.out},      {"classes", shape_names()},   {"train_images", shapes.train},
                             {"val_images", shapes.val}, {"size_pixels", shapes.size}, {"seed", shapes.seed}};
    fmt::print("{}\n", json.text());
    return;
  }
  fmt::print("{}: {} pictures to train on and {} to validate with, {} classes, {}x{} pixels, seed {}\n",
             printable(options.out), shapes.train, shapes.val, shape_names().size(), shapes.size, shapes.size,
             shapes.seed);
}

}  // namespace

void add_make_dataset(Command& app) {
  Command* command = app.add_subcommand("make-dataset", "Draw a set of pictures to train and try things on");
  auto options = std::make_shared<Options>();
  command->add_option("KIND", options->kind, "shapes: ten of any colour, texture, size and place")
      ->required()
      ->check(IsMember({"shapes"}));
  command->add_option("-o,--out", options->out, "The folder to make: train/CLASS/*.jpg, val/CLASS/*.jpg")
      ->type_name("FOLDER")
      ->required();
  command->add_option("--size", options->shapes.size, "Pixels a side")->capture_default_str();
  command->add_option("--train", options->shapes.train, "Pictures to train on")->capture_default_str();
  command->add_option("--val", options->shapes.val, "Pictures to validate with")->capture_default_str();
  command->add_option("--seed", options->shapes.seed, "The same seed gives the same pictures")
      ->capture_default_str()
      ->check(Range(std::uint64_t{0}, kMaxSeed));
  command->add_flag("--json", options->json, "Say what was made as JSON");
  command->footer(
      "Examples:\n"
      "  resnet make-dataset shapes -o shapes\n"
      "  resnet make-dataset shapes -o small --size 32 --train 1000 --val 200");
  command->callback([options] { make_dataset(*options); });
}

}  // namespace resnet::cli
