// The words and numbers that tables and drawings share, and the table of layers.
#include "arch/describe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "arch/operations.h"
#include "arch/schema.h"
#include "console/numbers.h"
#include "console/text_table.h"

namespace resnet {

FeatureShape usual_input(const Architecture& architecture) noexcept {
  const int size = architecture.stem == Stem::kCifar ? 32 : 224;
  return {1, architecture.in_channels, size, size};
}

std::vector<Landmark> landmarks(const Graph& graph) {
  std::vector<Landmark> result;
  for (int i = 1; i < static_cast<int>(graph.nodes.size()); ++i) {
    const Node& node = graph.nodes[i];
    if (node.stage >= 0) {
      const std::string stage = fmt::format("layer{}", node.stage + 1);
      if (result.back().name != stage) result.push_back({stage, i});
      result.back().node = i;
    } else if (node.path == "relu") {
      result.push_back({"conv1", i});
    } else if (node.path.starts_with("maxpool")) {
      if (result.back().name != "maxpool") result.push_back({"maxpool", i});
      result.back().node = i;
    } else if (node.op == Op::kLinear) {
      result.push_back({node.path, i});
    } else if (node.op == Op::kGlobalAveragePool && graph.architecture.classes == 0) {
      result.push_back({node.path, i});
    }
  }
  return result;
}

int depth(const Architecture& architecture) noexcept {
  int blocks = 0;
  for (const int count : architecture.depths) blocks += count;
  const int stem = architecture.stem == Stem::kDeep ? 3 : 1;
  const int head = architecture.classes > 0 ? 1 + static_cast<int>(architecture.head_widths.size()) : 0;
  return stem + blocks * (architecture.block == Block::kBottleneck ? 3 : 2) + head;
}

std::vector<std::int64_t> parameter_counts(const Graph& graph) {
  std::vector<std::int64_t> counts(graph.nodes.size());
  for (const Parameter& parameter : parameters(graph)) {
    if (parameter.learned) counts[parameter.node] += element_count(parameter.shape);
  }
  return counts;
}

std::int64_t total_macs(const Graph& graph, std::span<const FeatureShape> shapes) noexcept {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) sum += macs(graph.nodes[i], shapes[i]);
  return sum;
}

std::string shape_text(const Graph& graph, std::size_t node, const FeatureShape& shape) {
  if (gives_flat(graph, node)) return fmt::format("{}x{}", shape.batch, shape.channels);
  return fmt::format("{}x{}x{}x{}", shape.batch, shape.channels, shape.height, shape.width);
}

std::string label(const Node& node) {
  if (!node.path.empty()) return node.path;
  if (node.op == Op::kAdd) return fmt::format("layer{}.{}", node.stage + 1, node.block);
  return std::string(name(node.op));
}

std::string_view operation_name(const Node& node) noexcept {
  return node.op == Op::kActivation ? name(node.activation) : name(node.op);
}

std::string operation_text(const Node& node) {
  std::string text;
  switch (node.op) {
    case Op::kConv: text = fmt::format("conv {0}x{0}", node.kernel); break;
    case Op::kMaxPool: text = fmt::format("max pool {0}x{0}", node.kernel); break;
    case Op::kAveragePool: text = fmt::format("average pool {0}x{0}", node.kernel); break;
    case Op::kBlur: text = "blur 3x3"; break;
    case Op::kBatchNorm: return "batch norm";
    case Op::kPadShortcut: text = "pad channels"; break;
    case Op::kAdd: return "add shortcut";
    case Op::kGlobalAveragePool: return "global average pool";
    case Op::kGlobalMaxPool: return "global max pool";
    case Op::kConcat: return "concatenate";
    case Op::kActivation: return std::string(name(node.activation));
    case Op::kInput:
    case Op::kFlatten:
    case Op::kLinear: return std::string(name(node.op));
  }
  if (node.stride > 1) text += fmt::format(" /{}", node.stride);
  if (node.groups > 1) text += fmt::format(", {} groups", node.groups);
  if (node.dilation > 1) text += fmt::format(", dilation {}", node.dilation);
  if (node.op == Op::kMaxPool && node.padding == 0) text += ", no padding";
  return text;
}

std::string_view title(Activation activation) noexcept {
  switch (activation) {
    case Activation::kRelu: return "ReLU";
    case Activation::kLeakyRelu: return "leaky ReLU";
    case Activation::kRelu6: return "ReLU6";
    case Activation::kSilu: return "SiLU";
    case Activation::kGelu: return "GELU";
    case Activation::kHardswish: return "hard swish";
  }
  return "";
}

std::string headline(const Architecture& a) {
  std::string text = fmt::format("{} layers, {} blocks {}", depth(a), name(a.block), fmt::join(a.depths, "-"));
  for (const bool kinds : {true, false}) {  // of its parts; then how many, how wide and where
    for (const ArchitectureField& field : architecture_fields()) {
      if (field.told == nullptr || is_choice(field) != kinds) continue;
      if (const std::string words = field.told(a); !words.empty()) text += ", " + words;
    }
  }
  return text;
}

std::string layer_table(const Graph& graph, std::span<const FeatureShape> shapes) {
  const std::vector<std::int64_t> counts = parameter_counts(graph);
  const auto number = [](std::int64_t value) { return value == 0 ? std::string() : grouped(value); };

  TextTable layers({Align::kLeft, Align::kLeft, Align::kLeft, Align::kRight, Align::kRight});
  layers.row({"layer", "operation", "output", "parameters", "MACs"});
  layers.rule();
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    layers.row({label(node), operation_text(node), shape_text(graph, i, shapes[i]), number(counts[i]),
                number(macs(node, shapes[i]))});
  }
  layers.rule();
  const std::int64_t sum = total_macs(graph, shapes);
  layers.row({"total", "", "", grouped(parameter_count(graph)), grouped(sum)});

  TextTable stages({Align::kLeft, Align::kLeft});
  stages.row({"after", "output"});
  for (const Landmark& place : landmarks(graph)) {
    stages.row({place.name, shape_text(graph, static_cast<std::size_t>(place.node), shapes[place.node])});
  }

  const Architecture& a = graph.architecture;
  return fmt::format("{}: {}, {} layout\n\n{}\n{}\n{} parameters, {} MACs per image\n", a.name, headline(a),
                     name(a.layout), layers.str(), stages.str(), grouped(parameter_count(graph)),
                     grouped(sum / shapes[0].batch));
}

}  // namespace resnet
