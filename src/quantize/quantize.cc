#include "resnet/quantize.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "arch/describe.h"
#include "arch/operations.h"
#include "base/error.h"
#include "model/answer.h"
#include "program/quantized.h"
#include "quantize/round_weights.h"
#include "quantize/statistics.h"
#include "resnet/classifier.h"
#include "weights/nonfinite.h"

namespace resnet {
namespace {

constexpr std::int64_t kNoisePictures = 16;  // enough to measure a ratio of many values

// A convolution or linear layer, and how it would be in int8.
struct Layer {
  Operation operation;
  std::string path;
  RoundedWeights rounded;
  std::vector<double> shifts;
  Range range;
  std::int64_t macs = 0;
  double sqnr_db = 0;
};

void check_finite(const StateDict& weights) {
  const std::vector<NonfiniteTensor> found = find_nonfinite(weights);
  if (!found.empty()) fail(ErrorCode::kInvalidArgument, "model", "{}; int8 has no such values", describe(found));
}

class Quantizer {
 public:
  Quantizer(const Model& model, const CalibrationSet& pictures, const QuantizeOptions& options)
      : model_(model),
        pictures_(pictures),
        options_(options),
        program_(lower(expand(model.architecture), Lowering::kInference)) {
    if (is_quantized(program_.graph, model.weights))
      fail(ErrorCode::kInvalidArgument, "model", "its weights are int8 already");
    require_head(model.architecture, "model");  // whose answers are compared
    if (pictures.shape.batch < 2) fail(ErrorCode::kInvalidArgument, "pictures", "two are needed at least");
    check_finite(model.weights);
    total_ = 6 * pictures.shape.batch;
  }

  QuantizedModel run() {
    const Engine engine = make_engine(model_.weights, Precision::kFp32);
    const auto statistics =
        collect_statistics(engine, pictures_.shape, pictures_.values, [&](std::int64_t n) { tick(n); });
    for (const Operation& operation : program_.operations) prepare(operation, statistics);
    expected_ = top_classes(engine);
    QuantizedModel result;
    std::set<std::string> floats;
    result.agreement = agreement(floats);
    if (result.agreement < options_.min_agreement) result.agreement = leave_layers(floats);
    measure_noise(engine, floats);
    result.images = pictures_.shape.batch;
    result.model = model_;
    result.model.weights = weights_without(floats);
    result.model.classes = model_.classes;
    for (const Layer& layer : layers_) {
      result.layers.push_back({layer.path, !floats.contains(layer.path), layer.range.low, layer.range.high,
                               layer.range.method, layer.rounded.sqnr_db, layer.sqnr_db, layer.macs});
    }
    return result;
  }

 private:
  Engine make_engine(const StateDict& weights, Precision precision) const {
    EngineOptions options;
    options.threads = options_.threads;
    options.precision = precision;
    return Engine(program_.graph, weights, options);
  }

  void tick(std::int64_t pictures) {
    done_ += pictures;
    total_ = std::max(total_, done_);
    if (options_.progress) options_.progress(done_, total_);
  }

  // Ranges for values that are quantized anew, and rounded weights for layers.
  void prepare(const Operation& operation, const std::map<int, ValueStatistics>& statistics) {
    const Node& node = program_.node(operation);
    const ValueStatistics& given = statistics.at(operation.output.value);
    Range range;
    if (has_output_scale(program_, operation)) {
      range = choose_range(given.seen, given.unseen, given.low, given.high);
      outputs_.emplace_back(label(node), scale_of(range));
    }
    if (!info(node.op).is_layer) return;
    Layer& made = layers_.emplace_back();
    const Tensor& weights = model_.weights.at(node.path + ".weight");
    const ValueStatistics& taken = statistics.at(operation.input.value);
    made.operation = operation;
    made.path = node.path;
    made.rounded = round_weights(node, weights);
    made.shifts = mean_shifts(node, taken.shape, given.shape, weights, made.rounded, taken.means);
    made.range = range;
    made.macs = macs(node, given.shape);
  }

  // The model's weights with all layers in int8 but those named.
  StateDict weights_without(const std::set<std::string>& floats) const {
    StateDict weights = model_.weights;
    for (const Layer& layer : layers_) {
      if (floats.contains(layer.path)) continue;
      weights.set(layer.path + ".weight", layer.rounded.quantized);
      weights.set(layer.path + kWeightScale, layer.rounded.scales);
      correct_bias(program_.graph, layer.operation, layer.shifts, weights);
    }
    for (const auto& [name, scale] : outputs_) {
      Tensor zero_point = Tensor::zeros(DType::kU8, {});
      const auto byte = std::make_shared<std::uint8_t>(scale.zero_point);
      weights.set(name + kOutputScale, Tensor::from(std::span(&scale.scale, 1), {}));
      weights.set(name + kOutputZeroPoint, Tensor::view(DType::kU8, {}, std::as_bytes(std::span(byte.get(), 1)), byte));
    }
    return weights;
  }

  std::vector<float> logits_of(const Engine& engine, std::int64_t pictures) {
    FeatureShape shape = pictures_.shape;
    shape.batch = std::min(shape.batch, pictures);
    const std::int64_t classes = program_.graph.architecture.outputs();
    std::vector<float> logits(static_cast<std::size_t>(shape.batch * classes));
    for_each_part(shape, pictures_.values,
                  [&](std::int64_t first, const FeatureShape& part, std::span<const float> in) {
                    engine.run(in, part, std::span(logits).subspan(first * classes, part.batch * classes));
                    tick(part.batch);
                  });
    return logits;
  }

  std::vector<std::int64_t> top_classes(const Engine& engine) {
    const std::vector<float> logits = logits_of(engine, pictures_.shape.batch);
    const std::int64_t classes = program_.graph.architecture.outputs();
    std::vector<std::int64_t> tops;
    for (auto row = logits.begin(); row != logits.end(); row += classes) {
      check_answer({row, row + classes}, fmt::format("picture {}", tops.size() + 1));
      tops.push_back(std::max_element(row, row + classes) - row);
    }
    return tops;
  }

  double agreement(const std::set<std::string>& floats) {
    if (floats.size() == layers_.size()) return 1;
    const std::vector<std::int64_t> tops = top_classes(make_engine(weights_without(floats), Precision::kInt8));
    std::int64_t same = 0;
    for (std::size_t i = 0; i < tops.size(); ++i) same += tops[i] == expected_[i] ? 1 : 0;
    return static_cast<double>(same) / static_cast<double>(tops.size());
  }

  // Names in `floats` as few layers as suffice, those first whose rounding alone moves the logits most for the work
  // that it saves. Returns the agreement then.
  double leave_layers(std::set<std::string>& floats) {
    total_ += static_cast<std::int64_t>(layers_.size()) * kNoisePictures + 6 * pictures_.shape.batch;
    const std::vector<std::string> order = costly_layers();
    const auto first = [&](std::size_t count) {
      return std::set(order.begin(), order.begin() + static_cast<int>(count));
    };
    std::size_t too_few = 0;
    std::size_t enough = order.size();
    double reached = 1;
    while (too_few + 1 < enough) {
      const std::size_t middle = (too_few + enough) / 2;
      const double now = agreement(first(middle));
      (now < options_.min_agreement ? too_few : enough) = middle;
      if (now >= options_.min_agreement) reached = now;
    }
    floats = first(enough);
    return reached;
  }

  std::vector<std::string> costly_layers() {
    const std::vector<float> exact = logits_of(make_engine(model_.weights, Precision::kFp32), kNoisePictures);
    std::vector<std::pair<double, std::string>> costs;
    for (const Layer& alone : layers_) {
      std::set<std::string> others;
      for (const Layer& layer : layers_) {
        if (layer.path != alone.path) others.insert(layer.path);
      }
      const std::vector<float> logits =
          logits_of(make_engine(weights_without(others), Precision::kInt8), kNoisePictures);
      double error = 0;
      for (std::size_t i = 0; i < logits.size(); ++i) error += std::pow(static_cast<double>(logits[i]) - exact[i], 2);
      costs.emplace_back(error / static_cast<double>(alone.macs), alone.path);
    }
    std::sort(costs.rbegin(), costs.rend());
    std::vector<std::string> order;
    order.reserve(costs.size());
    for (const auto& [cost, path] : costs) order.push_back(path);
    return order;
  }

  // The signal to noise of what each layer gives in the network as it will be.
  void measure_noise(const Engine& exact, const std::set<std::string>& floats) {
    if (floats.size() == layers_.size()) return;
    const Engine rounded = make_engine(weights_without(floats), Precision::kInt8);
    FeatureShape shape = pictures_.shape;
    shape.batch = std::min(shape.batch, kNoisePictures);
    std::map<int, std::vector<float>> values;
    std::map<int, std::pair<double, double>> sums;  // of signal and noise
    std::vector<float> logits;
    for_each_part(shape, pictures_.values, [&](std::int64_t, const FeatureShape& part, std::span<const float> in) {
      logits.resize(static_cast<std::size_t>(part.batch * program_.graph.architecture.outputs()));
      exact.run(in, part, logits, [&](int node, const FeatureShape&, std::span<const float> given) {
        values[node].assign(given.begin(), given.end());
      });
      rounded.run(in, part, logits, [&](int node, const FeatureShape&, std::span<const float> given) {
        auto& [signal, noise] = sums[node];
        for (std::size_t i = 0; i < given.size(); ++i) {
          const double value = values[node][i];
          signal += value * value;
          noise += (value - given[i]) * (value - given[i]);
        }
      });
    });
    for (Layer& layer : layers_) {
      const auto& [signal, noise] = sums.at(layer.operation.output.value);
      layer.sqnr_db = 10 * std::log10(signal / noise);
    }
  }

  const Model& model_;
  const CalibrationSet& pictures_;
  const QuantizeOptions& options_;
  const Program program_;
  std::vector<Layer> layers_;
  std::vector<std::pair<std::string, OutputScale>> outputs_;
  std::vector<std::int64_t> expected_;
  std::int64_t done_ = 0, total_ = 0;
};

}  // namespace

QuantizedModel quantize(const Model& model, const CalibrationSet& pictures, const QuantizeOptions& options) {
  return Quantizer(model, pictures, options).run();
}

}  // namespace resnet
