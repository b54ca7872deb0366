// resnet summary: what a network looks like, layer by layer.
#include <fmt/format.h>

#include "arch/describe.h"
#include "arch/operations.h"
#include "base/random.h"
#include "cli/architecture_options.h"
#include "cli/command.h"
#include "console/json.h"
#include "resnet/engine.h"
#include "resnet/error.h"
#include "resnet/graph.h"
#include "weights/architecture_json.h"
#include "weights/initialize.h"

namespace resnet::cli {
namespace {

struct Options {
  ArchitectureOptions architecture;
  std::optional<std::string> input;
  std::vector<std::string> compare;
  bool run = false;
  bool tree = false;
  bool json = false;
};

// "4x3x224x224" as a shape.
FeatureShape parse_input(const std::string& text) {
  std::string commas = text;
  std::replace(commas.begin(), commas.end(), 'x', ',');
  std::vector<int> sizes;
  try {
    if (text.find(',') == std::string::npos) sizes = parse_numbers(commas, "--input");
  } catch (const Usage&) {  // told below, with the right example
  }
  if (sizes.size() != 4) {
    throw Usage(fmt::format("--input: '{}' is not batch x channels x height x width such as 4x3x224x224", text));
  }
  return {sizes[0], sizes[1], sizes[2], sizes[3]};
}

// The input asked for, or one picture of the usual size. Throws Usage where it does not fit the network.
FeatureShape input_for(const Graph& graph, const std::optional<std::string>& text) {
  if (!text) return usual_input(graph.architecture);
  const FeatureShape input = parse_input(*text);
  try {
    infer_shapes(graph, input);
  } catch (const Error& error) {
    throw Usage(fmt::format("--{}", error.what()));
  }
  return input;
}

Json shape_json(const Graph& graph, std::size_t node, const FeatureShape& s) {
  std::vector<std::int64_t> sizes = {s.batch, s.channels};
  if (!gives_flat(graph, node)) sizes.insert(sizes.end(), {s.height, s.width});
  return sizes;
}

JsonObject summary_json(const Graph& graph, const std::vector<FeatureShape>& shapes) {
  JsonArray stages;
  for (const Landmark& place : landmarks(graph)) {
    stages.add(JsonObject{{"name", place.name},
                          {"output", shape_json(graph, static_cast<std::size_t>(place.node), shapes[place.node])}});
  }
  JsonArray layers;
  const std::vector<std::int64_t> counts = parameter_counts(graph);
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    layers.add(JsonObject{{"name", label(node)},
                          {"operation", operation_name(node)},
                          {"output", shape_json(graph, i, shapes[i])},
                          {"parameters", counts[i]},
                          {"macs", macs(node, shapes[i])}});
  }
  JsonArray tensors;
  for (const Parameter& parameter : parameters(graph)) {
    tensors.add(JsonObject{{"name", parameter.name},
                           {"dtype", name(parameter.dtype)},
                           {"shape", parameter.shape},
                           {"learned", parameter.learned}});
  }
  const std::int64_t sum = total_macs(graph, shapes);
  JsonObject json = architecture_json(graph.architecture);
  return json.add("depth", depth(graph.architecture))
      .add("parameters", parameter_count(graph))
      .add("macs", sum)
      .add("macs_per_image", sum / shapes[0].batch)
      .add("input", shape_json(graph, 0, shapes[0]))
      .add("stages", stages)
      .add("layers", layers)
      .add("state_dict", tensors);
}

void compare(const Options& options) {
  if (!options.architecture.network().empty()) throw Usage("--compare names all the networks itself");
  const std::optional<Layout> layout = options.architecture.layout_alone("has no meaning with --compare");
  std::vector<Graph> graphs;
  std::vector<FeatureShape> inputs;
  for (const std::string& network : options.compare) {
    const Architecture& known = find_architecture(network);
    graphs.push_back(expand(with_layout(known, layout.value_or(known.layout))));
    inputs.push_back(input_for(graphs.back(), options.input));
  }
  if (!options.json) {
    fmt::print("{}", comparison_table(graphs, inputs));
    return;
  }
  JsonArray networks;
  for (std::size_t i = 0; i < graphs.size(); ++i) {
    networks.add(summary_json(graphs[i], infer_shapes(graphs[i], inputs[i])));
  }
  fmt::print("{}\n", JsonObject{{"networks", networks}}.indented());
}

struct Network {
  Graph graph;
  StateDict weights;  // empty where only a name was given
};

Network network_of(const ArchitectureOptions& options) {
  if (!options.is_file()) return {expand(options.architecture()), {}};
  Model model = options.load_file({.allow_nonfinite = true});  // only shapes are looked at
  return {expand(model.architecture), std::move(model.weights)};
}

// The shapes that a forward pass on a random batch really has, node by node.
std::vector<FeatureShape> executed_shapes(const Network& network, const FeatureShape& input) {
  const Graph& graph = network.graph;
  const StateDict weights = network.weights.empty() ? initial_weights(graph, 0) : network.weights;
  const Engine engine(graph, weights, {.fuse = false});
  engine.prepare(input);  // refuses what is too large before memory is taken
  Random random(0);
  std::vector<float> batch(static_cast<std::size_t>(input.count()));
  for (float& value : batch) value = static_cast<float>(random.normal());
  std::vector<float> logits(static_cast<std::size_t>(input.batch * graph.output().out_channels));
  std::vector<FeatureShape> shapes(graph.nodes.size());
  engine.run(batch, input, logits, [&](int node, const FeatureShape& shape, std::span<const float>) {
    shapes[static_cast<std::size_t>(node)] = shape;
  });
  return shapes;
}

void summarize(const Options& options) {
  const Network network = network_of(options.architecture);
  const Graph& graph = network.graph;
  if (options.tree) {
    fmt::print("{}", module_tree(graph));
    return;
  }
  const FeatureShape input = input_for(graph, options.input);
  const std::vector<FeatureShape> shapes = options.run ? executed_shapes(network, input) : infer_shapes(graph, input);
  if (options.json) {
    fmt::print("{}\n", summary_json(graph, shapes).add("executed", options.run).indented());
    return;
  }
  fmt::print("{}", layer_table(graph, shapes));
  if (options.run) fmt::print("Shapes are those of a forward pass on a random batch.\n");
}

}  // namespace

void add_summary(Command& app) {
  Command* command = app.add_subcommand("summary", "Print a network's layers, shapes, parameters and MACs");
  auto options = std::make_shared<Options>();
  options->architecture.add_to(*command, "NETWORK|MODEL", "Name of an architecture; or a model file");
  command->add_option("--input", options->input, "Of the input, such as 4x3x224x224; else one picture")
      ->type_name("SHAPE");
  Option* tree = command->add_flag("--tree", options->tree, "Print the modules as print(model) does in PyTorch");
  Option* json = command->add_flag("--json", options->json, "Print everything as JSON");
  Option* run = command->add_flag("--run", options->run, "Take the shapes from a pass on a random batch");
  tree->excludes(json)->excludes(run);
  command->add_option("--compare", options->compare, "Networks side by side, as in table 1 of the paper")
      ->type_name("NETWORKS")
      ->delimiter(',')
      ->excludes(tree)
      ->excludes(run);
  std::string names;
  for (const Architecture& known : catalog()) names += " " + known.name;
  command->footer("Networks:" + names +
                  "\n\nExamples:\n"
                  "  resnet summary resnet50 --input 4x3x224x224\n"
                  "  resnet summary --block bottleneck --depths 3,4,6,3 --channels 3 --classes 1000\n"
                  "  resnet summary --compare resnet18,resnet34,resnet50,resnet101,resnet152");
  command->callback([options] {
    if (options->compare.empty()) {
      summarize(*options);
    } else {
      compare(*options);
    }
  });
}

}  // namespace resnet::cli
