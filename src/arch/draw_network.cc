// The chain of a network's stages: a slab per block, as high as its picture and as wide as it has channels.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "arch/describe.h"
#include "arch/draw.h"
#include "console/text_table.h"

namespace resnet {
namespace {

constexpr double kSlabGap = 18;   // between slabs, with an arrow in it
constexpr double kArc = 12;       // from a slab up to the arc over it
constexpr double kTextLine = 16;  // from baseline to baseline
constexpr double kCharacter = 8;  // a generous width of small text
constexpr int kMostSlabs = 3;     // drawn of a stage: the first two, dots, and the last

double slab_width(std::int64_t channels) { return 6 + 2 * std::log2(static_cast<double>(channels)); }
double slab_height(std::int64_t size) { return 22 + 12 * std::log2(static_cast<double>(size)); }

struct Slab {
  FeatureShape shape;
  enum class Arc { kNone, kIdentity, kChange } arc = Arc::kNone;
};

// A part of the network with text below it.
struct Group {
  std::string css_class;
  std::vector<Slab> slabs;
  int hidden = 0;  // blocks not drawn, before the last slab
  std::vector<std::string> lines;
  int blocks = 0;  // of a stage

  double slabs_width() const {
    double width = kSlabGap * static_cast<double>(slabs.size() - 1) + (hidden > 0 ? 2 * kSlabGap : 0);
    for (const Slab& slab : slabs) width += slab_width(slab.shape.channels);
    return width;
  }
  double width() const {
    double result = slabs_width() + 2 * kSlabGap;
    for (const std::string& line : lines)
      result = std::max(result, kCharacter * static_cast<double>(resnet::width(line)) + 8);
    return result;
  }
};

Group stage_group(const Graph& graph, const FeatureShape& shape, int stage) {
  const int blocks = graph.architecture.depths[stage];
  Group group{stage_class(stage), {}, std::max(0, blocks - kMostSlabs), {}, blocks};
  for (int block = 0; block < std::min(blocks, kMostSlabs); ++block) {
    const auto arc = graph.architecture.shortcut == Shortcut::kNone ? Slab::Arc::kNone
                     : changes_shape(graph, stage, block)           ? Slab::Arc::kChange
                                                                    : Slab::Arc::kIdentity;
    group.slabs.push_back({shape, arc});
  }
  group.lines = {fmt::format("layer{}", stage + 1), fmt::format("{} block{}", blocks, blocks == 1 ? "" : "s"),
                 size_text(shape)};
  return group;
}

std::string stride_words(int stride) { return stride > 1 ? fmt::format(", /{}", stride) : ""; }

std::string stem_text(const Architecture& a) {
  const std::string kernel = fmt::format("{0}×{0}", a.first_kernel());
  const std::string stride = stride_words(a.first_stride());
  if (a.stem != Stem::kDeep) return kernel + " conv" + stride;
  return a.first_kernel() == 3 ? "3 × 3×3" + stride : kernel + stride + "; 2 × 3×3";
}

std::string stem_pool_text(const Node& pool) {
  const char* kind = pool.op == Op::kAveragePool ? "average " : pool.op == Op::kBlur ? "max, blur " : "";
  return fmt::format("{0}{1}×{1}{2}", kind, pool.kernel, stride_words(pool.stride));
}

std::vector<Group> groups(const Graph& graph, std::span<const FeatureShape> shapes) {
  std::vector<Group> result;
  result.push_back({"stem", {{shapes[0]}}, 0, {"input", "", size_text(shapes[0])}});
  int stage = 0;
  for (const Landmark& place : landmarks(graph)) {
    const FeatureShape& shape = shapes[place.node];
    if (place.name == "conv1") {
      result.push_back({"stem", {{shape}}, 0, {"conv1", stem_text(graph.architecture), size_text(shape)}});
    } else if (place.name == "maxpool") {
      result.push_back({"stem", {{shape}}, 0, {"maxpool", stem_pool_text(graph.nodes[place.node]), size_text(shape)}});
    } else if (place.name == "avgpool") {
      result.push_back({"head", {{shape}}, 0, {"avgpool", "global", size_text(shape)}});
    } else if (graph.nodes[place.node].op == Op::kLinear) {
      const int read = graph.nodes[place.node].inputs[0];
      if (graph.nodes[read].op == Op::kFlatten) {
        const char* kind = graph.architecture.head_pool == HeadPool::kAverage ? "global" : "average, max";
        result.push_back({"head", {{shapes[read]}}, 0, {"avgpool", kind, size_text(shapes[read])}});
      }
      result.push_back({"head", {{shape}}, 0, {place.name, "linear", size_text(shape)}});
    } else {
      result.push_back(stage_group(graph, shape, stage++));
    }
  }
  return result;
}

// Over a slab from the middle of the gap before it to that behind it, as the paper's figure 3 has it.
void draw_arc(Svg& svg, double left, double right, double middle, double height, Slab::Arc arc) {
  if (arc == Slab::Arc::kNone) return;
  const double from = left - kSlabGap / 2 + 2.5;
  const double to = right + kSlabGap / 2 - 2.5;
  const double top = middle - height / 2 - kArc;
  svg.path(fmt::format("M{0:.4g} {1:.4g}V{2:.4g}q0 -8 8 -8H{3:.4g}q8 0 8 8V{1:.4g}", from, middle, top + 8, to - 8),
           arc == Slab::Arc::kChange ? "shortcut dashed" : "shortcut");
}

}  // namespace

Extent draw_network(Svg& svg, double x, double y, double least_width, const Graph& graph,
                    std::span<const FeatureShape> shapes) {
  const std::vector<Group> parts = groups(graph, shapes);
  double natural_width = 0;
  double tallest = 0;
  for (const Group& group : parts) {
    natural_width += group.width();
    for (const Slab& slab : group.slabs) tallest = std::max(tallest, slab_height(slab.shape.height));
  }
  const double stretch = std::max(0.0, least_width - natural_width) / static_cast<double>(parts.size());
  const bool repeats = std::any_of(parts.begin(), parts.end(), [](const Group& group) { return group.hidden > 0; });
  const double middle = y + (repeats ? kTextLine : 0) + kArc + tallest / 2;
  const double text_top = middle + tallest / 2 + 24;
  double left = x;
  double previous = -1;  // right edge of the slab before
  for (const Group& group : parts) {
    const double width = group.width() + stretch;
    double at = left + (width - group.slabs_width()) / 2;
    for (std::size_t i = 0; i < group.slabs.size(); ++i) {
      const Slab& slab = group.slabs[i];
      const double slab_w = slab_width(slab.shape.channels);
      const double slab_h = slab_height(slab.shape.height);
      if (group.hidden > 0 && i + 1 == group.slabs.size()) {
        svg.path(fmt::format("M{:.4g} {:.4g}h{:.4g}", previous, middle, 2 * kSlabGap), "dots");
        at += 2 * kSlabGap;
        previous = at - kSlabGap;
      }
      if (previous >= 0) svg.arrow(previous, middle, at, middle, "line", "tip");
      svg.rect(at, middle - slab_h / 2, slab_w, slab_h, 3, group.css_class);
      draw_arc(svg, at, at + slab_w, middle, slab_h, slab.arc);
      previous = at + slab_w;
      at = previous + kSlabGap;
    }
    if (group.hidden > 0) {
      const double top = middle - slab_height(group.slabs.front().shape.height) / 2 - kArc;
      svg.text(left + width / 2, top - 5, fmt::format("× {}", group.blocks), "strong small");
    }
    for (std::size_t i = 0; i < group.lines.size(); ++i) {
      svg.text(left + width / 2, text_top + kTextLine * static_cast<double>(i), group.lines[i],
               i == 0 ? "strong small" : "muted small");
    }
    left += width;
  }
  return {left - x, text_top + 2 * kTextLine + 6 - y};
}

}  // namespace resnet
