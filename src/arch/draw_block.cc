// One residual block: F(x) from top to bottom, the shortcut beside it, and where they meet.
#include <fmt/format.h>

#include <algorithm>

#include "arch/describe.h"
#include "arch/draw.h"

namespace resnet {
namespace {

constexpr double kBoxWidth = 200;
constexpr double kBoxHeight = 46;
constexpr double kShortcutWidth = 150;
constexpr double kBoxGap = 32;  // between boxes, with an arrow in it
constexpr double kLeft = 66;    // of the column of boxes: room for the bracket of F(x)
constexpr double kCenter = kLeft + kBoxWidth / 2;
constexpr double kShortcut = kLeft + kBoxWidth + 34 + kShortcutWidth / 2;  // the shortcut's own column
constexpr double kRadius = 13;                                             // of the circle that adds

// A box: an operation, and what follows it at once.
struct Step {
  std::string title;
  std::string note;
  FeatureShape output;
};

struct View {
  FeatureShape input, output;
  std::vector<Step> main;
  std::vector<Step> shortcut;  // empty for the identity
};

bool in_shortcut(const Node& node) { return node.path.find("downsample") != std::string::npos; }

std::string stride_text(const Node& node) { return node.stride > 1 ? fmt::format(", /{}", node.stride) : ""; }

void append(std::string& note, std::string_view text) {
  if (!note.empty()) note += ", ";
  note += text;
}

void add_step(std::vector<Step>& steps, const Node& node, const FeatureShape& shape) {
  switch (node.op) {
    case Op::kConv:
      steps.push_back(
          {fmt::format("{0}×{0} conv, {1}{2}", node.kernel, node.out_channels, stride_text(node)), "", shape});
      if (node.groups > 1) append(steps.back().note, fmt::format("{} groups", node.groups));
      if (node.dilation > 1) append(steps.back().note, fmt::format("dilation {}", node.dilation));
      break;
    case Op::kAveragePool:
      steps.push_back({fmt::format("{0}×{0} avg pool{1}", node.kernel, stride_text(node)), "", shape});
      break;
    case Op::kBlur: steps.push_back({fmt::format("{0}×{0} blur{1}", node.kernel, stride_text(node)), "", shape}); break;
    case Op::kPadShortcut:
      steps.push_back({node.stride == 2  ? "every 2nd pixel"
                       : node.stride > 1 ? fmt::format("every {}th pixel", node.stride)
                                         : "every pixel",
                       fmt::format("{} channels of zeros", node.out_channels - node.in_channels), shape});
      break;
    case Op::kBatchNorm: append(steps.back().note, "batch norm"); break;
    case Op::kActivation: append(steps.back().note, title(node.activation)); break;
    case Op::kInput:
    case Op::kMaxPool:
    case Op::kAdd:
    case Op::kGlobalAveragePool:
    case Op::kGlobalMaxPool:
    case Op::kConcat:
    case Op::kFlatten:
    case Op::kLinear: break;  // not in a block, or drawn apart
  }
}

View view_of(const Graph& graph, std::span<const FeatureShape> shapes, int stage, int block) {
  View view;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (node.stage != stage || node.block != block) continue;
    if (view.main.empty()) view.input = shapes[node.inputs[0]];
    view.output = shapes[i];
    // The last activation of a residual block comes after the addition and has a box of its own.
    if (node.op == Op::kActivation && graph.nodes[node.inputs[0]].op == Op::kAdd) continue;
    add_step(in_shortcut(node) ? view.shortcut : view.main, node, shapes[i]);
  }
  return view;
}

void draw_box(Svg& svg, double center, double y, double width, const Step& step, const std::string& css_class) {
  svg.rect(center - width / 2, y, width, kBoxHeight, 6, css_class);
  svg.text(center, y + (step.note.empty() ? 28 : 20), step.title, "strong");
  if (!step.note.empty()) svg.text(center, y + 37, step.note, "muted small");
}

std::string title(Shortcut shortcut, bool identity) {
  if (identity && shortcut != Shortcut::kNone) return "identity shortcut";
  switch (shortcut) {
    case Shortcut::kNone: return "no shortcut";
    case Shortcut::kPadding: return "padding shortcut (option A)";
    case Shortcut::kAveragePool: return "average-pooled projection shortcut";
    case Shortcut::kProjection: break;
  }
  return "projection shortcut";
}

std::string sum_text(Shortcut shortcut, bool identity) {
  if (identity) return "F(x) + x";
  switch (shortcut) {
    case Shortcut::kPadding: return "F(x) + pad(x)";
    case Shortcut::kAveragePool: return "F(x) + W pool(x)";
    case Shortcut::kProjection:
    case Shortcut::kNone: break;
  }
  return "F(x) + Wx";
}

// From below x to the right, down through the boxes, and back into the circle.
void draw_shortcut(Svg& svg, double x, double from, double to, const View& view) {
  const double center = x + kShortcut;
  const auto boxes = static_cast<double>(view.shortcut.size());
  const double height = boxes * kBoxHeight + (boxes - 1) * kBoxGap;
  svg.path(fmt::format("M{:.4g} {:.4g}H{:.4g}q10 0 10 10", x + kCenter, from, center - 10), "shortcut");
  double y = (from + to - height) / 2;
  if (view.shortcut.empty()) {
    y = to - 10;
    svg.path(fmt::format("M{:.4g} {:.4g}V{:.4g}", center, from + 10, y), "shortcut");
    svg.text(center + 10, (from + to) / 2 - 3, "x", "formula accent", Anchor::kStart);
    svg.text(center + 10, (from + to) / 2 + 14, "identity", "muted small", Anchor::kStart);
  } else {
    double above = from + 10;
    for (const Step& step : view.shortcut) {
      svg.arrow(center, above, center, y, "shortcut", "accent");
      draw_box(svg, center, y, kShortcutWidth, step, "projection");
      above = y + kBoxHeight;
      y = above + kBoxGap;
    }
    svg.path(fmt::format("M{:.4g} {:.4g}V{:.4g}", center, above, to - 10), "shortcut");
  }
  svg.path(fmt::format("M{:.4g} {:.4g}q0 10 -10 10", center, to - 10), "shortcut");
  svg.arrow(center - 10, to, x + kCenter + kRadius, to, "shortcut", "accent");
}

// The bracket that says which part is F(x).
void draw_bracket(Svg& svg, double x, double top, double bottom) {
  svg.path(fmt::format("M{:.4g} {:.4g}h-6q-6 0 -6 6V{:.4g}q0 6 6 6h6", x + kLeft - 8, top, bottom - 6), "line");
  svg.text(x + kLeft - 26, (top + bottom) / 2 + 5, "F(x)", "formula", Anchor::kEnd);
}

}  // namespace

bool changes_shape(const Graph& graph, int stage, int block) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [&](const Node& node) { return node.stage == stage && node.block == block && in_shortcut(node); });
}

double block_width() noexcept { return kShortcut + kShortcutWidth / 2; }

Extent draw_block(Svg& svg, double x, double y, const Graph& graph, std::span<const FeatureShape> shapes, int stage,
                  int block) {
  const View view = view_of(graph, shapes, stage, block);
  const Shortcut shortcut = graph.architecture.shortcut;
  const bool identity = view.shortcut.empty();
  const double center = x + kCenter;

  svg.text(x + 4, y + 14, fmt::format("layer{}.{}", stage + 1, block), "strong", Anchor::kStart);
  svg.text(x + 4, y + 31, title(shortcut, identity), "muted small", Anchor::kStart);
  svg.text(center, y + 54, "x", "formula");
  svg.text(center + 14, y + 54, size_text(view.input), "muted small", Anchor::kStart);

  const double branch = y + 78;
  double above = y + 62;
  double at = above + kBoxGap + 6;
  const double top = at;
  for (const Step& step : view.main) {
    svg.arrow(center, above, center, at, "line", "tip");
    draw_box(svg, center, at, kBoxWidth, step, stage_class(stage));
    above = at + kBoxHeight;
    svg.text(center + 10, above + 19, size_text(step.output), "muted small", Anchor::kStart);
    at = above + kBoxGap;
  }
  if (shortcut != Shortcut::kNone) {
    draw_bracket(svg, x, top, above);
    const double add = above + kBoxGap + kRadius;
    svg.arrow(center, above, center, add - kRadius, "line", "tip");
    svg.circle(center, add, kRadius, "add");
    svg.path(fmt::format("M{0:.4g} {1:.4g}h12M{2:.4g} {3:.4g}v12", center - 6, add, center, add - 6), "line");
    svg.text(center - kRadius - 8, add + 5, sum_text(shortcut, identity), "formula", Anchor::kEnd);
    draw_shortcut(svg, x, branch, add, view);
    at = add + kRadius + 24;
    svg.arrow(center, add + kRadius, center, at, "line", "tip");
    svg.rect(center - 40, at, 80, 26, 6, stage_class(stage));
    svg.text(center, at + 18, std::string(title(graph.architecture.activation)), "strong");
    above = at + 26;
    at = above + kBoxGap;
    svg.text(center + 10, above + 19, size_text(view.output), "muted small", Anchor::kStart);
  }
  svg.arrow(center, above, center, at, "line", "tip");
  return {block_width(), at - y};
}

}  // namespace resnet
