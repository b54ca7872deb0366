// resnet summary: what a network looks like, layer by layer.
#include <fmt/format.h>

#include "cli/architecture_options.h"
#include "resnet/graph.h"

namespace resnet::cli {

void add_summary(CLI::App& app) {
  CLI::App* command = app.add_subcommand("summary", "Print a network's layers, shapes, parameters and MACs");
  auto options = std::make_shared<ArchitectureOptions>();
  options->add_to(*command, "NETWORK", "Name of an architecture");
  command->callback([options] {
    const Graph graph = expand(options->architecture());
    fmt::print("{} parameters\n", parameter_count(graph));
  });
}

}  // namespace resnet::cli
