// How a class's score changes with the pooled features that the head reads: for heads of one linear layer a row of its
// weights, for others the chain rule through their few layers.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "resnet/graph.h"
#include "resnet/tensor.h"

namespace resnet {

class HeadGradient {
 public:
  // `weights` are the graph's, which has a head; int8 ones are taken as the real weights they stand for.
  HeadGradient(const Graph& graph, const StateDict& weights);

  // One value per feature, where the features are `pooled`.
  std::vector<double> of_class(int class_index, std::span<const float> pooled) const;

 private:
  struct Layer {
    Tensor weight, bias;  // outputs x inputs
    std::optional<Node> activation = std::nullopt;
  };
  static std::vector<double> forward(const Layer& layer, std::span<const double> x);

  std::vector<Layer> layers_;
};

}  // namespace resnet
