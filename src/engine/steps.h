// What the engine computes, in order: the graph's nodes as steps, one by one or fused by passes.
//
// A value is named by the index of the node that gives it. A step that took in later nodes (a batch norm, an add, a
// relu) gives the value of the last of them. A value in another format than its node's step gives has a number beyond
// the nodes'.
#pragma once

#include <vector>

#include "kernels/kernels.h"
#include "resnet/graph.h"

namespace resnet {

struct Step {
  int node = 0;         // does the main work
  int input = -1;       // the value it reads; -1 for the network's input
  int residual = -1;    // the value it adds: an add's second one, or what was fused into a convolution
  int batch_norm = -1;  // the node folded into the convolution's weights
  bool relu = false;    // negative results become zero
  int output = 0;       // the value it gives

  // Set by give_formats(), and the last by find_short_weights() (formats.h).
  bool convert = false;  // only stores the input in another format; `node` gave it
  ValueFormat in, residual_format, out;
  bool short_weights = false;  // of a layer that multiplies whole numbers (arch/quantized.h)
};

// One step per node.
std::vector<Step> plain_steps(const Graph& graph);

// plain_steps() after all passes.
std::vector<Step> fused_steps(const Graph& graph);

// The passes. Steps stay in an order in which they can be computed.

// A batch norm of a convolution's result, which nothing else reads, becomes part of its weights.
void fold_batch_norms(const Graph& graph, std::vector<Step>& steps);

// F(x) + shortcut: the last convolution of F adds the shortcut to what it computes.
void fuse_adds(const Graph& graph, std::vector<Step>& steps);

// A relu is done by the step before it.
void fuse_relus(const Graph& graph, std::vector<Step>& steps);

// Flattening 1x1 pixels changes nothing.
void drop_flattens(const Graph& graph, std::vector<Step>& steps);

}  // namespace resnet
