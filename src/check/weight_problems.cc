#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "program/quantized.h"
#include "resnet/check.h"

namespace resnet {
namespace {

// Of an int8 layer's weights beyond one in each channel, which is where its scale comes from.
constexpr double kMostAtEnds = 0.05;

bool all_are(std::span<const float> values, float wanted) {
  return std::all_of(values.begin(), values.end(), [&](float value) { return value == wanted; });
}

class WeightReader {
 public:
  explicit WeightReader(const StateDict& weights) : weights_(weights) {}

  void read(const Node& node) {
    if (node.op == Op::kConv || node.op == Op::kLinear) read_layer(node);
    if (node.op == Op::kBatchNorm) read_norm(node);
  }

  std::vector<WeightProblem> problems;

 private:
  void add(const std::string& tensor, std::string text) { problems.push_back({tensor, std::move(text)}); }

  Tensor get(const std::string& name) const {
    const Tensor* tensor = weights_.find(name);
    return tensor == nullptr ? Tensor::zeros(DType::kF32, {0}) : tensor->to_f32();
  }

  void count_nonfinite(const std::string& name, std::span<const float> values) {
    const auto count = std::count_if(values.begin(), values.end(), [](float value) { return !std::isfinite(value); });
    if (count > 0) add(name, fmt::format("{} of {} values are not finite", count, values.size()));
  }

  void read_layer(const Node& node) {
    const std::string name = node.path + ".weight";
    const Tensor weight = get(name);
    const std::span<const float> values = weight.f32();
    count_nonfinite(name, values);
    const std::size_t each = values.size() / static_cast<std::size_t>(node.out_channels);
    int zero = 0;
    for (int out = 0; each > 0 && out < node.out_channels; ++out) {
      zero += all_are(values.subspan(static_cast<std::size_t>(out) * each, each), 0) ? 1 : 0;
    }
    if (zero > 0) add(name, fmt::format("{} of {} output channels are all zero", zero, node.out_channels));
    if (weights_.find(node.path + kWeightScale) != nullptr) read_int8(name, values, node.out_channels);
  }

  // A scale that is too small for its channel cuts weights off at the ends of what int8 holds.
  void read_int8(const std::string& name, std::span<const float> values, int channels) {
    const auto at_ends =
        std::count_if(values.begin(), values.end(), [](float value) { return std::abs(value) >= 127; });
    if (static_cast<double>(at_ends - channels) <= kMostAtEnds * static_cast<double>(values.size())) return;
    add(name, fmt::format("{} of {} weights are at the ends of int8: clipped, its scales are too small", at_ends,
                          values.size()));
  }

  void read_norm(const Node& node) {
    const Tensor mean = get(node.path + ".running_mean"), variance = get(node.path + ".running_var");
    const Tensor scale = get(node.path + ".weight"), shift = get(node.path + ".bias");
    count_nonfinite(node.path + ".running_mean", mean.f32());
    count_nonfinite(node.path + ".running_var", variance.f32());
    const std::span<const float> variances = variance.f32();
    if (all_are(mean.f32(), 0) && all_are(variances, 1)) {
      return add(node.path, "was never updated: its means are 0 and its variances 1");
    }
    const auto constant = std::count(variances.begin(), variances.end(), 0.0F);
    if (constant > 0) {
      add(node.path + ".running_var",
          fmt::format("{} of {} variances are 0: nothing ever varied there", constant, variances.size()));
    }
    const auto negative = std::count_if(variances.begin(), variances.end(), [](float v) { return v < 0; });
    if (negative > 0) add(node.path + ".running_var", fmt::format("{} variances are negative", negative));
    std::size_t dead = 0;
    for (std::size_t c = 0; c < scale.f32().size(); ++c) dead += scale.f32()[c] == 0 && shift.f32()[c] == 0 ? 1 : 0;
    if (dead > 0) {
      add(node.path, fmt::format("{} of {} channels are dead: multiplied by 0", dead, scale.f32().size()));
    }
  }

  const StateDict& weights_;
};

}  // namespace

std::vector<WeightProblem> find_weight_problems(const Graph& graph, const StateDict& weights) {
  WeightReader reader(weights);
  for (const Node& node : graph.nodes) reader.read(node);
  return std::move(reader.problems);
}

}  // namespace resnet
