// resnet draw: a network and its block as a picture.
#include <fmt/format.h>

#include <filesystem>

#include "arch/draw.h"
#include "base/file.h"
#include "cli/architecture_options.h"
#include "cli/command.h"
#include "cli/paint_svg.h"
#include "resnet/image.h"

namespace resnet::cli {
namespace {

constexpr double kPixels = 2;  // of a .png for each unit of the drawing

struct Options {
  ArchitectureOptions architecture;
  std::string output;
};

void draw(const Options& options) {
  if (options.output.empty()) throw Usage("--out: the name of a file is missing");
  const std::filesystem::path out(options.output);
  if (out.extension() != ".svg" && out.extension() != ".png" && !std::filesystem::exists(out)) {
    throw Usage(options.output + ": the name must end in .svg or .png");
  }
  const ArchitectureOptions& network = options.architecture;
  const Architecture architecture =
      network.is_file() ? network.load_file({.allow_nonfinite = true}).architecture : network.architecture();
  const Svg picture = resnet::draw(expand(architecture));
  if (options.output.ends_with(".png")) return write_image(options.output, paint(picture, kPixels));
  AtomicFile file(options.output);
  file.write(picture.file());
  file.commit();
}

}  // namespace

void add_draw(Command& app) {
  Command* command = app.add_subcommand("draw", "Draw a network and its block");
  auto options = std::make_shared<Options>();
  options->architecture.add_to(*command, "NETWORK|MODEL", "Name of an architecture, or a model file");
  command->add_option("-o,--out,--output", options->output, "The file to write: .svg, or .png")
      ->type_name("FILE")
      ->required();
  command->footer(
      "Examples:\n"
      "  resnet draw resnet50 -o resnet50.svg\n"
      "  resnet draw --block basic --depths 2,2,2 --stem cifar -o small.svg");
  command->callback([options] { draw(*options); });
}

}  // namespace resnet::cli
