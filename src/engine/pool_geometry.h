// What a pooling node's windows are, as its kernels take it. The engine's plan and learning's both read it.
#pragma once

#include <algorithm>

#include "kernels/kernels.h"
#include "resnet/graph.h"

namespace resnet {

// Sizes and windows alone: formats of values, if any, are the caller's. Of other nodes (option A, blurs) likewise.
inline PoolShape pool_geometry(const Node& node, const FeatureShape& in, const FeatureShape& out) {
  PoolShape shape;
  shape.batch = static_cast<int>(in.batch);
  shape.channels = static_cast<int>(in.channels);
  shape.in_height = static_cast<int>(in.height);
  shape.in_width = static_cast<int>(in.width);
  shape.out_height = static_cast<int>(out.height);
  shape.out_width = static_cast<int>(out.width);
  shape.kernel = node.kernel;
  shape.stride = node.stride;
  shape.padding = node.padding;
  if (node.op == Op::kGlobalMaxPool) shape.kernel = std::max(shape.in_height, shape.in_width);  // one window
  return shape;
}

}  // namespace resnet
