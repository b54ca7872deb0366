// Heatmaps without gradients.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "explain/head_gradient.h"
#include "explain/layers.h"
#include "resnet/explain.h"

namespace resnet {
namespace {

constexpr std::int64_t kAblations = 16;  // copies of the activations that run through the rest of the network together

// A layer's output of one picture.
struct Activations {
  FeatureShape shape;
  std::vector<float> values;  // channels x height x width

  std::size_t pixels() const { return static_cast<std::size_t>(shape.height * shape.width); }
  std::span<const float> channel(std::size_t k) const { return std::span(values).subspan(k * pixels(), pixels()); }
};

// The sum of the channels, each times its weight; what is below zero speaks against the class and becomes zero.
std::vector<float> weighted_sum(const Activations& layer, std::span<const double> weights) {
  std::vector<double> sum(layer.pixels());
  for (std::size_t k = 0; k < weights.size(); ++k) {
    const std::span<const float> channel = layer.channel(k);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += weights[k] * channel[i];
  }
  std::vector<float> map(sum.size());
  std::transform(sum.begin(), sum.end(), map.begin(),
                 [](double value) { return static_cast<float>(std::max(value, 0.0)); });
  return map;
}

// Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391, section 3 and appendix A): each channel weighs what the mean of
// the score's gradient over its pixels is. Behind the last stage stand the mean over the pixels and the head. So that
// gradient is the same everywhere, the head's over the number of pixels; of one linear layer that is its weight: Zhou
// et al. 2016 (arXiv:1512.04150), equation 2. A largest value has its gradient at one pixel: the same mean.
std::vector<double> cam_weights(const Activations& layer, const std::vector<double>& gradient) {
  std::vector<double> weights(static_cast<std::size_t>(layer.shape.channels));
  for (std::size_t i = 0; i < gradient.size(); ++i) {
    weights[i % weights.size()] += gradient[i] / static_cast<double>(layer.pixels());
  }
  return weights;
}

// Ablation-CAM (Desai and Ramaswamy 2020, WACV, equation 3): each channel weighs what the score loses when the channel
// is zero. The paper divides by the score, which scales the map, and turns it around where the score is negative; here
// nothing is divided.
std::vector<double> ablation_weights(const Engine& engine, int node, const Activations& layer, FeatureShape input,
                                     double score, int class_index, std::size_t classes) {
  const auto channels = static_cast<std::size_t>(layer.shape.channels);
  std::vector<std::size_t> alive;  // without the others nothing changes
  for (std::size_t k = 0; k < channels; ++k) {
    const std::span<const float> channel = layer.channel(k);
    if (std::any_of(channel.begin(), channel.end(), [](float value) { return value != 0; })) alive.push_back(k);
  }
  input.batch = kAblations;
  std::vector<float> copies;
  for (std::int64_t i = 0; i < kAblations; ++i) copies.insert(copies.end(), layer.values.begin(), layer.values.end());
  std::vector<float> logits(kAblations * classes);
  std::vector<double> weights(channels);
  for (std::size_t first = 0; first < alive.size(); first += kAblations) {
    const std::size_t count = std::min<std::size_t>(kAblations, alive.size() - first);
    const auto place = [&](std::size_t i) {
      return copies.begin() + static_cast<std::ptrdiff_t>(i * layer.values.size() + alive[first + i] * layer.pixels());
    };
    for (std::size_t i = 0; i < count; ++i) std::fill_n(place(i), layer.pixels(), 0.0F);
    engine.run_from(node, copies, input, logits);
    for (std::size_t i = 0; i < count; ++i) {
      const std::span<const float> channel = layer.channel(alive[first + i]);
      std::copy(channel.begin(), channel.end(), place(i));
      weights[alive[first + i]] = score - logits[i * classes + static_cast<std::size_t>(class_index)];
    }
  }
  return weights;
}

// Eigen-CAM (Muhammad and Yeasin 2020, arXiv:2008.00299, section III): the projection of each pixel's channels on the
// first right singular vector of the pixels x channels matrix, by power iteration. Activations behind a ReLU are not
// negative, so neither is the vector (Perron-Frobenius): its sign is known. Behind another activation it is turned so
// that its sum is not negative.
std::vector<double> eigen_weights(const Activations& layer) {
  constexpr int kMaxIterations = 2000;
  constexpr double kTolerance = 1e-10;
  const auto channels = static_cast<std::size_t>(layer.shape.channels);
  std::vector<double> vector(channels, 1 / std::sqrt(static_cast<double>(channels)));
  std::vector<double> pixels(layer.pixels());
  double change = 1;
  for (int i = 0; i < kMaxIterations && change > kTolerance; ++i) {
    std::fill(pixels.begin(), pixels.end(), 0.0);
    for (std::size_t k = 0; k < channels; ++k) {
      const std::span<const float> channel = layer.channel(k);
      for (std::size_t p = 0; p < pixels.size(); ++p) pixels[p] += vector[k] * channel[p];
    }
    std::vector<double> next(channels);
    for (std::size_t k = 0; k < channels; ++k) {
      const std::span<const float> channel = layer.channel(k);
      next[k] = std::inner_product(channel.begin(), channel.end(), pixels.begin(), 0.0);
    }
    const double length = std::sqrt(std::inner_product(next.begin(), next.end(), next.begin(), 0.0));
    if (length == 0) return next;  // a layer of zeros
    change = 0;
    for (std::size_t k = 0; k < channels; ++k) {
      next[k] /= length;
      change = std::max(change, std::abs(next[k] - vector[k]));
    }
    vector = std::move(next);
  }
  if (std::accumulate(vector.begin(), vector.end(), 0.0) < 0) {
    for (double& value : vector) value = -value;
  }
  return vector;
}

}  // namespace

std::string_view name(HeatmapMethod value) noexcept {
  switch (value) {
    case HeatmapMethod::kAblation: return "ablation";
    case HeatmapMethod::kEigen: return "eigen";
    case HeatmapMethod::kCam: break;
  }
  return "cam";
}

HeatmapMethod parse_heatmap_method(std::string_view text) {
  for (const auto method : {HeatmapMethod::kCam, HeatmapMethod::kAblation, HeatmapMethod::kEigen}) {
    if (text == name(method)) return method;
  }
  fail(ErrorCode::kInvalidArgument, "method", "'{}' is none of cam, ablation, eigen", text);
}

Explainer::Explainer(const Classifier& classifier, const HeatmapOptions& options)
    : classifier_(&classifier), method_(options.method), layer_(options.layer) {
  if (method_ != HeatmapMethod::kEigen) require_head(classifier.architecture(), name(method_));
  const Graph& graph = classifier.engine().graph();
  const std::string last = last_stage(graph);
  if (layer_.empty()) layer_ = last;
  node_ = find_layer(graph, layer_);
  if (graph.nodes[static_cast<std::size_t>(node_)].stage < 0) {
    fail(ErrorCode::kInvalidArgument, "layer", "{} has one pixel: nothing to map", layer_);
  }
  if (method_ == HeatmapMethod::kCam && node_ != find_layer(graph, last)) {
    fail(ErrorCode::kInvalidArgument, "layer", "cam explains {}; for {} there are ablation and eigen", last, layer_);
  }
  if (method_ == HeatmapMethod::kCam) {
    head_ = std::make_shared<const HeadGradient>(graph, classifier.engine().weights());
  }
}

Heatmap Explainer::explain(const Image& image, std::optional<int> class_index) const {
  const FeatureShape shape = classifier_->input_shape();
  std::vector<float> input(static_cast<std::size_t>(shape.count()));
  preprocess(image, classifier_->preprocessing(), input);
  return explain(input, shape, class_index);
}

Heatmap Explainer::explain(std::span<const float> input, const FeatureShape& shape,
                           std::optional<int> class_index) const {
  const std::size_t classes = classifier_->labels().size();
  if (class_index) require_head(classifier_->architecture(), "class");
  if (class_index && (*class_index < 0 || *class_index >= static_cast<int>(classes))) {
    fail(ErrorCode::kInvalidArgument, "class", "{} is not 0 to {}", *class_index, classes - 1);
  }
  if (shape.batch != 1) fail(ErrorCode::kInvalidArgument, "input", "{} pictures instead of one", shape.batch);
  const Engine& engine = classifier_->engine();
  Heatmap result;
  Activations layer;
  result.logits.resize(static_cast<std::size_t>(classifier_->architecture().outputs()));
  std::vector<float> pooled;
  std::vector<int> nodes = {node_};
  if (method_ == HeatmapMethod::kCam) nodes.push_back(find_layer(engine.graph(), "avgpool"));
  engine.run(input, shape, result.logits, nodes,
             [&](int node, const FeatureShape& seen, std::span<const float> values) {
               if (node == node_) layer = {seen, {values.begin(), values.end()}};
               if (node != node_) pooled.assign(values.begin(), values.end());
             });
  result.height = static_cast<int>(layer.shape.height);
  result.width = static_cast<int>(layer.shape.width);
  if (method_ == HeatmapMethod::kEigen) {
    result.values = weighted_sum(layer, eigen_weights(layer));
    return result;
  }
  result.class_index = class_index ? *class_index : classifier_->top(result.logits, 1)[0].index;
  const auto row = static_cast<std::size_t>(result.class_index);
  if (method_ == HeatmapMethod::kCam) {
    result.values = weighted_sum(layer, cam_weights(layer, head_->of_class(result.class_index, pooled)));
  } else {
    result.values = weighted_sum(
        layer, ablation_weights(engine, node_, layer, shape, result.logits[row], result.class_index, classes));
  }
  return result;
}

}  // namespace resnet
