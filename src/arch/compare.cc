// The paper's table 1: networks side by side, stage by stage.
#include <fmt/format.h>

#include <algorithm>

#include "arch/describe.h"
#include "console/numbers.h"
#include "console/text_table.h"

namespace resnet {
namespace {

// "3×3, 64", "3×3, 128, 32 groups".
std::string conv_text(const Node& node) {
  std::string text = fmt::format("{0}×{0}, {1}", node.kernel, node.out_channels);
  if (node.groups > 1) text += fmt::format(", {} groups", node.groups);
  return text;
}

// "3×3 max pool, /2"
std::string pool_text(const Node& node) {
  const char* kind = node.op == Op::kMaxPool ? "max pool" : node.op == Op::kBlur ? "blur" : "average pool";
  return fmt::format("{0}×{0} {1}", node.kernel, kind) + (node.stride > 1 ? fmt::format(", /{}", node.stride) : "");
}

// ⎡1×1, 64 ⎤
// ⎢3×3, 64 ⎥ ×3
// ⎣1×1, 256⎦
std::string brackets(const std::vector<std::string>& lines, int repeats) {
  std::size_t widest = 0;
  for (const std::string& line : lines) widest = std::max(widest, width(line));
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool first = i == 0;
    const bool last = i + 1 == lines.size();
    text += first ? "⎡" : last ? "⎣" : "⎢";
    text += lines[i] + std::string(widest - width(lines[i]), ' ');
    text += first ? "⎤" : last ? "⎦" : "⎥";
    if (i == lines.size() / 2) text += fmt::format(" ×{}", repeats);
    if (!last) text += '\n';
  }
  return text;
}

// One network's column.
class Column {
 public:
  Column(const Graph& graph, const FeatureShape& input) : graph_(graph), shapes_(infer_shapes(graph, input)) {
    for (const Landmark& place : landmarks(graph)) {
      if (place.name == "conv1") stem_ = place.node;
      if (place.name.starts_with("layer")) stage_ends_.push_back(place.node);
    }
  }

  const Architecture& architecture() const { return graph_.architecture; }
  int stages() const { return static_cast<int>(stage_ends_.size()); }

  // Of the stem (-1) or a stage: "56×56".
  std::string output(int stage) const {
    const FeatureShape& shape = shapes_[stage < 0 ? stem_ : stage_ends_[stage]];
    return fmt::format("{}×{}", shape.height, shape.width);
  }

  std::string stem() const {
    std::string text;
    for (int i = 1; i < stem_; ++i) {
      const Node& node = graph_.nodes[i];
      if (node.op != Op::kConv) continue;
      text += (text.empty() ? "" : "\n") + conv_text(node) + (node.stride > 1 ? fmt::format(", /{}", node.stride) : "");
    }
    return text;
  }

  // The convolutions of a stage's later blocks, and before the first stage the pooling.
  std::string stage(int stage) const {
    if (stage >= stages()) return "";
    std::vector<std::string> lines;
    std::string text;
    for (const Node& node : graph_.nodes) {
      if (node.path.starts_with("maxpool") && stage == 0) text += pool_text(node) + '\n';
      const bool shortcut = node.path.find("downsample") != std::string::npos;
      if (node.op == Op::kConv && node.stage == stage && node.block == 0 && !shortcut) lines.push_back(conv_text(node));
    }
    return text + brackets(lines, architecture().depths[stage]);
  }

  std::string macs() const { return rounded(total_macs(graph_, shapes_) / shapes_[0].batch); }
  std::string parameters() const { return grouped(parameter_count(graph_)); }
  std::string head() const {
    const Architecture& a = architecture();
    std::string text = a.head_pool == HeadPool::kAverage ? "average pool" : "average and max pool";
    for (const int width : a.head_widths) text += fmt::format("\n{}-d fc", width);
    return a.classes > 0 ? text + fmt::format("\n{}-d fc", a.classes) : text;
  }

 private:
  const Graph& graph_;
  std::vector<FeatureShape> shapes_;
  int stem_ = 0;
  std::vector<int> stage_ends_;
};

}  // namespace

std::string comparison_table(std::span<const Graph> graphs, std::span<const FeatureShape> inputs) {
  std::vector<Column> columns;
  int stages = 0;
  for (std::size_t i = 0; i < graphs.size(); ++i)
    stages = std::max(stages, columns.emplace_back(graphs[i], inputs[i]).stages());

  TextTable table(std::vector<Align>(columns.size() + 2, Align::kLeft));
  const auto row = [&](std::string first, std::string second, const auto& cell) {
    std::vector<std::string> cells = {std::move(first), std::move(second)};
    for (const Column& column : columns) cells.push_back(cell(column));
    table.row(std::move(cells));
  };
  // The output size stands in its own column where all networks agree, else under each network.
  const auto stage_row = [&](const std::string& title, int stage, const auto& cell) {
    std::vector<std::string> sizes;
    sizes.reserve(columns.size());
    for (const Column& column : columns) sizes.push_back(stage < column.stages() ? column.output(stage) : "");
    const bool same = std::equal(sizes.begin() + 1, sizes.end(), sizes.begin());
    table.rule();
    row(title, same ? sizes[0] : "", [&](const Column& column) {
      const std::string& size = sizes[static_cast<std::size_t>(&column - columns.data())];
      return same || size.empty() ? cell(column) : cell(column) + "\n→ " + size;
    });
  };

  row("layer", "output", [](const Column& column) { return column.architecture().name; });
  stage_row("conv1", -1, [](const Column& column) { return column.stem(); });
  for (int stage = 0; stage < stages; ++stage) {
    stage_row(fmt::format("layer{}\n(conv{}_x)", stage + 1, stage + 2), stage,
              [&](const Column& column) { return column.stage(stage); });
  }
  table.rule();
  row("head", "1×1", [](const Column& column) { return column.head(); });
  table.rule();
  row("shortcut", "", [](const Column& column) { return std::string(name(column.architecture().shortcut)); });
  row("depth", "", [](const Column& column) { return fmt::format("{} layers", depth(column.architecture())); });
  row("MACs", "", [](const Column& column) { return column.macs(); });
  row("parameters", "", [](const Column& column) { return column.parameters(); });
  return table.str();
}

}  // namespace resnet
