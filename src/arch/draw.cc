// The page of a drawing: heading, the chain of stages, and two blocks in detail.
#include "arch/draw.h"

#include <fmt/format.h>

#include <algorithm>

#include "arch/describe.h"
#include "console/numbers.h"

namespace resnet {
namespace {

constexpr double kMargin = 26;
constexpr double kHeading = 62;
constexpr double kBetween = 40;  // the two blocks
constexpr double kLegendLine = 18;

// Stage colours are of middle lightness and fill at low opacity, so that they serve on white and on black.
constexpr std::string_view kStyle =
    R"(text { font: 13px system-ui, "Segoe UI", Helvetica, Arial, "DejaVu Sans", sans-serif; }
.heading { font-size: 20px; font-weight: 600; }
.strong { font-weight: 600; }
.small { font-size: 11.5px; }
.formula { font: italic 600 15px Georgia, "Times New Roman", "DejaVu Serif", serif; }
.heading, .strong, .formula { fill: #1f2328; }
.muted { fill: #59636e; }
.card { fill: #ffffff; stroke: #d1d9e0; }
.line, .dots { stroke: #7a838d; stroke-width: 1.5; fill: none; }
.dots { stroke-dasharray: 1.5 6; stroke-width: 3; stroke-linecap: round; }
.tip { fill: #7a838d; }
.shortcut { stroke: #d9660d; stroke-width: 2; fill: none; }
.dashed { stroke-dasharray: 4 3; }
.accent { fill: #d9660d; }
.add { fill: #ffffff; stroke: #7a838d; stroke-width: 1.5; }
.stem { fill: #8b949e; stroke: #8b949e; }
.head { fill: #8b949e; stroke: #8b949e; }
.projection { fill: #d9660d; stroke: #d9660d; }
.stage0 { fill: #3b82f6; stroke: #3b82f6; }
.stage1 { fill: #2da44e; stroke: #2da44e; }
.stage2 { fill: #9061f0; stroke: #9061f0; }
.stage3 { fill: #db4d7b; stroke: #db4d7b; }
.stage4 { fill: #1b9aaa; stroke: #1b9aaa; }
.stage5 { fill: #b08800; stroke: #b08800; }
.stage6 { fill: #5b7f2b; stroke: #5b7f2b; }
.stage7 { fill: #b4574a; stroke: #b4574a; }
rect { stroke-width: 1.5; fill-opacity: 0.2; }
.card { stroke-width: 1; fill-opacity: 1; }
@media (prefers-color-scheme: dark) {
  .heading, .strong, .formula { fill: #e6edf3; }
  .muted { fill: #9aa4ae; }
  .card { fill: #0d1117; stroke: #3d444d; }
  .add { fill: #0d1117; }
  .formula.accent, .accent { fill: #f0883e; }
  .shortcut { stroke: #f0883e; }
}
)";

// The blocks worth showing: the first whose shortcut changes the shape while it strides (else that changes it at all),
// and the first after it that keeps it. Plain networks: the first block of the second stage and the one behind it.
std::vector<std::pair<int, int>> examples(const Graph& graph) {
  const Architecture& a = graph.architecture;
  const int stages = static_cast<int>(a.depths.size());
  std::vector<std::pair<int, int>> identity;
  std::vector<std::pair<int, int>> change;
  for (int i = 0; i < stages; ++i) {
    const int stage = (i + 1) % stages;  // from the second on
    for (int block = 0; block < std::min(a.depths[stage], 2); ++block) {
      const bool first = a.shortcut == Shortcut::kNone ? block == 0 : changes_shape(graph, stage, block);
      (first ? change : identity).emplace_back(stage, block);
    }
  }
  std::vector<std::pair<int, int>> result;
  if (!identity.empty()) result.push_back(identity.front());
  if (!change.empty()) result.push_back(change.front());
  return result;
}

// What lines and sizes mean, in two lines of text.
void draw_legend(Svg& svg, double x, double y, Shortcut shortcut) {
  svg.text(x, y + kLegendLine, "height: pixels, width: channels, both logarithmic; × n: n blocks", "muted small",
           Anchor::kStart);
  if (shortcut == Shortcut::kNone) return;
  svg.path(fmt::format("M{:.4g} {:.4g}h26", x, y - 4), "shortcut");
  svg.text(x + 34, y, "identity shortcut", "muted small", Anchor::kStart);
  svg.path(fmt::format("M{:.4g} {:.4g}h26", x + 150, y - 4), "shortcut dashed");
  svg.text(x + 184, y, "shortcut that changes the shape", "muted small", Anchor::kStart);
}

}  // namespace

std::string size_text(const FeatureShape& shape) {
  if (shape.height == 1 && shape.width == 1) return std::to_string(shape.channels);
  return fmt::format("{}×{}×{}", shape.channels, shape.height, shape.width);
}

std::string stage_class(int stage) { return fmt::format("stage{}", stage); }

Svg draw(const Graph& graph) {
  const Architecture& a = graph.architecture;
  const std::vector<FeatureShape> shapes = infer_shapes(graph, usual_input(a));
  Svg svg(fmt::format("{}: {}", a.name, headline(a)), kStyle);
  svg.text(kMargin, kMargin + 18, a.name, "heading", Anchor::kStart);
  svg.text(kMargin, kMargin + 40,
           fmt::format("{}, {} parameters, {} MACs", headline(a), grouped(parameter_count(graph)),
                       rounded(total_macs(graph, shapes))),
           "muted", Anchor::kStart);

  double y = kMargin + kHeading;
  const auto blocks = examples(graph);
  const double blocks_width = static_cast<double>(blocks.size()) * (block_width() + kBetween) - kBetween;
  const Extent network = draw_network(svg, kMargin, y, blocks_width, graph, shapes);
  y += network.height + 22;
  draw_legend(svg, kMargin, y, a.shortcut);
  y += kLegendLine + 34;

  const double between = (network.width - blocks_width) / 2 + kBetween;  // wide networks spread their blocks
  double x = kMargin;
  double height = 0;
  for (const auto& [stage, block] : blocks) {
    const Extent extent = draw_block(svg, x, y, graph, shapes, stage, block);
    x += extent.width + between;
    height = std::max(height, extent.height);
  }
  svg.finish(network.width + 2 * kMargin, y + height + kMargin);
  return svg;
}

std::string draw_svg(const Graph& graph) { return draw(graph).file(); }

}  // namespace resnet
