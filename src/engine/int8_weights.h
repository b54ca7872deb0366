// For tests: a network in int8, rounded in the plainest way.
#pragma once

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "arch/describe.h"
#include "arch/operations.h"
#include "program/quantized.h"
#include "resnet/engine.h"

namespace resnet {

// Weights in int8, scales of activations from `input`; every second layer's are short, and every third layer stays in
// floating point where `mixed`.
inline StateDict int8_weights(const Graph& graph, const StateDict& weights, std::span<const float> input,
                              const FeatureShape& shape, bool mixed) {
  StateDict quantized = weights;
  std::map<int, std::pair<float, float>> ranges;
  std::vector<float> logits(static_cast<std::size_t>(shape.batch * graph.architecture.outputs()));
  Engine(graph, weights, {1})
      .run(input, shape, logits, [&](int node, const FeatureShape&, std::span<const float> values) {
        const auto [low, high] = std::minmax_element(values.begin(), values.end());
        ranges[node] = {std::min(*low, 0.0F), std::max(*high, 1e-6F)};
      });
  int layers = 0;
  const Program program = lower(graph, Lowering::kInference);
  for (const Operation& operation : program.operations) {
    const Node& node = program.node(operation);
    const std::string name = label(node);
    const bool layer = info(node.op).is_layer;
    if (has_output_scale(program, operation)) {
      const auto [low, high] = ranges.at(operation.output.value);
      const float scale = (high - low) / 255;
      Tensor zero_point = Tensor::zeros(DType::kU8, {});
      const auto zero = std::make_shared<std::uint8_t>(static_cast<std::uint8_t>(std::lround(-low / scale)));
      quantized.set(name + kOutputScale, Tensor::from(std::span(&scale, 1), {}));
      quantized.set(name + kOutputZeroPoint,
                    Tensor::view(DType::kU8, {}, std::as_bytes(std::span(zero.get(), 1)), zero));
    }
    if (!layer || (++layers % 3 == 0 && mixed)) continue;
    const float most = layers % 2 == 0 ? 32 : 127;
    const Tensor& source = weights.at(name + ".weight");
    const std::size_t row = source.f32().size() / static_cast<std::size_t>(node.out_channels);
    const auto rounded = std::make_shared<std::vector<std::int8_t>>();
    std::vector<float> scales;
    for (int c = 0; c < node.out_channels; ++c) {
      float largest = 1e-6F;
      for (const float weight : source.f32().subspan(c * row, row)) largest = std::max(largest, std::abs(weight));
      scales.push_back(largest / most);
      for (const float weight : source.f32().subspan(c * row, row)) {
        rounded->push_back(static_cast<std::int8_t>(std::lround(weight / scales.back())));
      }
    }
    quantized.set(name + ".weight",
                  Tensor::view(DType::kI8, source.shape(), std::as_bytes(std::span(*rounded)), rounded));
    quantized.set(name + kWeightScale, Tensor::from(scales, {node.out_channels}));
  }
  return quantized;
}

}  // namespace resnet
