#include "explain/head_gradient.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "program/quantized.h"

namespace resnet {
namespace {

double logistic(double x) { return 1 / (1 + std::exp(-x)); }
double normal_share(double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; }

double activated(const Node& node, double x) {
  switch (node.activation) {
    case Activation::kRelu: return std::max(x, 0.0);
    case Activation::kLeakyRelu: return x < 0 ? x * node.negative_slope : x;
    case Activation::kRelu6: return std::clamp(x, 0.0, 6.0);
    case Activation::kSilu: return x * logistic(x);
    case Activation::kGelu: return x * normal_share(x);
    case Activation::kHardswish: return x * std::clamp(x + 3, 0.0, 6.0) / 6;
  }
  return x;
}

// PyTorch's derivatives, also where a function has none.
double slope(const Node& node, double x) {
  switch (node.activation) {
    case Activation::kRelu: return x > 0 ? 1 : 0;
    case Activation::kLeakyRelu: return x > 0 ? 1 : node.negative_slope;
    case Activation::kRelu6: return x > 0 && x < 6 ? 1 : 0;
    case Activation::kSilu: return logistic(x) * (1 + x * (1 - logistic(x)));
    case Activation::kGelu: return normal_share(x) + x * std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
    case Activation::kHardswish: return x <= -3 ? 0 : x < 3 ? x / 3 + 0.5 : 1;
  }
  return 1;
}

}  // namespace

HeadGradient::HeadGradient(const Graph& graph, const StateDict& weights) {
  for (const Node& node : graph.nodes) {
    if (node.op == Op::kLinear) {
      layers_.push_back({float_weights(weights, node.path), weights.at(node.path + ".bias").to_f32()});
    } else if (node.op == Op::kActivation && !layers_.empty()) {
      layers_.back().activation = node;
    }
  }
}

std::vector<double> HeadGradient::forward(const Layer& layer, std::span<const double> x) {
  const std::span<const float> weight = layer.weight.f32();
  std::vector<double> y(layer.bias.f32().begin(), layer.bias.f32().end());
  for (std::size_t row = 0; row < y.size(); ++row) {
    for (std::size_t i = 0; i < x.size(); ++i) y[row] += x[i] * weight[row * x.size() + i];
  }
  return y;
}

std::vector<double> HeadGradient::of_class(int class_index, std::span<const float> pooled) const {
  std::vector<double> x(pooled.begin(), pooled.end());
  std::vector<std::vector<double>> slopes;  // of each layer's results but the last
  for (std::size_t i = 0; i + 1 < layers_.size(); ++i) {
    x = forward(layers_[i], x);
    std::vector<double>& here = slopes.emplace_back(x.size(), 1.0);
    const std::optional<Node>& node = layers_[i].activation;
    if (!node) continue;
    for (std::size_t j = 0; j < x.size(); ++j) {
      here[j] = slope(*node, x[j]);
      x[j] = activated(*node, x[j]);
    }
  }
  const std::size_t width = x.size();
  const std::span<const float> row = layers_.back().weight.f32().subspan(class_index * width, width);
  std::vector<double> gradient(row.begin(), row.end());
  for (std::size_t i = slopes.size(); i-- > 0;) {
    const std::span<const float> weight = layers_[i].weight.f32();
    std::vector<double> before(weight.size() / gradient.size());
    for (std::size_t out = 0; out < gradient.size(); ++out) {
      const double factor = gradient[out] * slopes[i][out];
      for (std::size_t in = 0; in < before.size(); ++in) before[in] += factor * weight[out * before.size() + in];
    }
    gradient = std::move(before);
  }
  return gradient;
}

}  // namespace resnet
