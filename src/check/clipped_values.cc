#include "check/clipped_values.h"

#include <algorithm>
#include <map>

#include "arch/describe.h"
#include "base/error.h"
#include "program/quantized.h"
#include "resnet/engine.h"

namespace resnet {
namespace {

constexpr double kMost = 0.01;  // of a layer's values
constexpr std::int64_t kTogether = 4;

// A value that is stored in 8 bits, and how many of it were.
struct Stored {
  std::string name;
  OutputScale scale;
  std::int64_t beyond = 0, of = 0;

  void count(std::span<const float> values) {
    const float zero = scale.zero_point;  // half a step further is rounded to an end
    const float low = (-0.5F - zero) * scale.scale, high = (255.5F - zero) * scale.scale;
    beyond += std::count_if(values.begin(), values.end(), [&](float value) { return value < low || value > high; });
    of += static_cast<std::int64_t>(values.size());
  }
};

// By the nodes that give them.
std::map<int, Stored> stored_values(const Model& model) {
  std::map<int, Stored> result;
  const Program program = lower(expand(model.architecture), Lowering::kInference);
  for (const Operation& operation : program.operations) {
    const std::string name = label(program.node(operation));
    const std::optional<OutputScale> scale = output_scale(model.weights, name);
    if (scale && has_output_scale(program, operation)) result[operation.output.value] = {name, *scale};
  }
  return result;
}

}  // namespace

std::vector<WeightProblem> find_clipped_values(const Model& model, const PictureSet& pictures, int threads) {
  const Graph graph = expand(model.architecture);
  if (!is_quantized(graph, model.weights)) return {};
  std::map<int, Stored> stored = stored_values(model);
  EngineOptions options;
  options.threads = threads;
  options.precision = Precision::kFp32;
  const Engine engine(graph, dequantized(graph, model.weights), options);
  FeatureShape shape = pictures.shape();
  std::vector<float> outputs;
  for (std::int64_t begin = 0; begin < pictures.count(); begin += kTogether) {
    shape.batch = std::min(kTogether, pictures.count() - begin);
    outputs.resize(static_cast<std::size_t>(shape.batch * model.architecture.outputs()));
    engine.run(pictures.prepare(*model.preprocessing, begin, begin + shape.batch), shape, outputs,
               [&](int node, const FeatureShape&, std::span<const float> values) {
                 const auto found = stored.find(node);
                 if (found != stored.end()) found->second.count(values);
               });
  }
  std::vector<WeightProblem> problems;
  for (const auto& [node, value] : stored) {
    const double share = static_cast<double>(value.beyond) / static_cast<double>(std::max<std::int64_t>(value.of, 1));
    if (share <= kMost) continue;
    problems.push_back(
        {value.name + kOutputScale,
         fmt::format("{:.1f} % of the values lie beyond what int8 holds: clipped, the scale is too small",
                     100 * share)});
  }
  return problems;
}

}  // namespace resnet
