// resnet summary: what a network looks like, layer by layer.
#include <fmt/format.h>

#include "cli/command.h"
#include "resnet/graph.h"

namespace resnet::cli {

void add_summary(CLI::App& app) {
  CLI::App* command = app.add_subcommand("summary", "Print a network's layers, shapes, parameters and MACs");
  auto name = std::make_shared<std::string>();
  command->add_option("network", *name, "Name of an architecture")->required();
  command->callback([name] {
    const Graph graph = expand(find_architecture(*name));
    fmt::print("{} parameters\n", parameter_count(graph));
  });
}

}  // namespace resnet::cli
