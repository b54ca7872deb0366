// For tests: architectures and graphs of every kind, small enough to be computed plainly.
#pragma once

#include <algorithm>
#include <random>
#include <vector>

#include "resnet/error.h"
#include "resnet/graph.h"

namespace resnet {

// The architecture with all its blocks, of few channels.
inline Architecture thin(Architecture architecture) {
  architecture.stem_width = 8;
  for (std::size_t stage = 0; stage < architecture.widths.size(); ++stage) architecture.widths[stage] = 8 << stage;
  if (architecture.groups > 1) architecture.groups = 2;
  architecture.width_per_group = 64;
  architecture.classes = 5;
  return architecture;
}

inline Architecture random_architecture(std::mt19937& random) {
  const auto below = [&](unsigned count) { return static_cast<int>(random() % count); };
  for (;;) {
    Architecture a;
    a.block = below(2) == 0 ? Block::kBasic : Block::kBottleneck;
    a.shortcut =
        std::vector{Shortcut::kProjection, Shortcut::kPadding, Shortcut::kAveragePool, Shortcut::kNone}[below(4)];
    a.stem = std::vector{Stem::kImageNet, Stem::kDeep, Stem::kCifar}[below(3)];
    a.depths.assign(static_cast<std::size_t>(1 + below(3)), 1);
    for (int& depth : a.depths) depth += below(2);
    a.widths.clear();
    for (std::size_t i = 0; i < a.depths.size(); ++i) a.widths.push_back(8 * (1 + below(3)) << i);
    a.stem_width = 8 * (1 + below(2));
    a.groups = below(3) == 0 ? 2 : 1;
    a.in_channels = 1 + below(4);
    a.classes = below(9);
    a.stride_on_first = below(2) == 0;
    a.conv_bias = below(2) == 0;
    a.dilated_stages = below(static_cast<unsigned>(a.depths.size()));
    if (below(3) == 0) a.stem_kernel = 1 + 2 * below(4);
    if (below(3) == 0) a.stem_stride = 1 + below(4);
    a.stem_pool = std::vector{StemPool::kUsual,   StemPool::kUsual, StemPool::kNone,    StemPool::kMax,
                              StemPool::kMaxCeil, StemPool::kMax2,  StemPool::kAverage2}[below(7)];
    if (below(3) == 0) {
      for (std::size_t stage = 0; stage < a.depths.size(); ++stage) a.strides.push_back(1 + below(3));
    }
    if (below(3) == 0) a.bn_eps = 1e-3;
    if (below(3) == 0) a.activation = static_cast<Activation>(below(6));
    a.antialias = std::vector{Antialias::kNone, Antialias::kNone, Antialias::kAverage, Antialias::kBlur}[below(4)];
    if (a.antialias != Antialias::kNone) a.stem_stride = 0, a.strides.clear();  // pictures stay large enough
    if (a.classes > 0 && below(3) == 0) a.head_pool = static_cast<HeadPool>(below(3));
    if (a.classes > 0 && below(3) == 0) {
      a.head_widths.assign(static_cast<std::size_t>(1 + below(2)), 24);
      for (int& width : a.head_widths) width += below(20);
      a.head_activation = static_cast<HeadActivation>(below(7));
    }
    if (a.has_leaky_relu()) a.negative_slope = below(2) == 0 ? 0.01 : 0.2;
    try {
      validate(a);
      return a;
    } catch (const Error&) {  // padding shortcuts that do not grow, groups in basic blocks, ...
    }
  }
}

// Nodes of any kind behind each other, as no architecture has them: values with several readers, batch norms and
// additions that nothing takes in. All have `channels` channels and keep the size; the last ones are a head.
inline Graph random_graph(std::mt19937& random, int count, int channels) {
  const auto below = [&](int limit) { return static_cast<int>(random() % static_cast<unsigned>(limit)); };
  Graph graph;
  graph.architecture.name = "random";
  graph.architecture.in_channels = channels;
  graph.architecture.classes = channels;
  const auto add = [&](Op op, std::vector<int> inputs) {
    Node node;
    node.op = op;
    node.path = "node" + std::to_string(graph.nodes.size());
    node.inputs = std::move(inputs);
    node.in_channels = node.out_channels = channels;
    const bool window = op == Op::kConv || op == Op::kMaxPool || op == Op::kAveragePool || op == Op::kBlur;
    if (window) node.kernel = 3, node.padding = 1;
    if (op == Op::kActivation && below(3) == 0) node.activation = static_cast<Activation>(below(6));
    node.bias = (op == Op::kConv && below(3) == 0) || op == Op::kLinear;
    graph.nodes.push_back(node);
  };
  add(Op::kInput, {});
  while (static_cast<int>(graph.nodes.size()) < count) {
    const int last = static_cast<int>(graph.nodes.size()) - 1;
    const int read = below(4) == 0 ? below(last + 1) : last;
    constexpr Op kOps[] = {Op::kConv, Op::kConv, Op::kBatchNorm,   Op::kBatchNorm,   Op::kActivation,
                           Op::kAdd,  Op::kAdd,  Op::kPadShortcut, Op::kAveragePool, Op::kMaxPool};
    const Op op = kOps[below(std::size(kOps))];
    if (op == Op::kAdd) {
      add(op, {read, below(last + 1)});
    } else {
      add(op, {read});
    }
  }
  for (const Op op : {Op::kGlobalAveragePool, Op::kFlatten, Op::kLinear}) {
    add(op, {static_cast<int>(graph.nodes.size()) - 1});
  }
  return graph;
}

}  // namespace resnet
