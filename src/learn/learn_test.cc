// A network that learns: its gradients against finite differences of its loss, over random networks of every kind of
// operation; the loss against finite differences; threads, frozen parts and repeated passes.
#include <gtest/gtest.h>

#include <cmath>

#include "base/isa_test_support.h"
#include "learn/loss.h"
#include "learn/network.h"
#include "program/random_networks.h"
#include "program/random_weights.h"

namespace resnet {
namespace {

struct Batch {
  FeatureShape shape;
  std::vector<float> pictures;
  std::vector<std::int64_t> labels;
};

Batch random_batch(const FeatureShape& shape, int classes, std::mt19937& random) {
  Batch batch;
  batch.shape = shape;
  batch.pictures = random_values(shape.count(), -1, 1, random);
  for (std::int64_t i = 0; i < shape.batch; ++i) {
    batch.labels.push_back(static_cast<std::int64_t>(random() % static_cast<unsigned>(classes)));
  }
  return batch;
}

// The loss of a pass, and its gradients in the network's weights.
double learn(LearningNetwork& network, const Batch& batch, std::span<const float> block_scale = {}) {
  const std::span<const float> logits = network.forward(batch.pictures.data(), batch.shape, block_scale);
  std::vector<float> gradient(logits.size());
  const double loss = cross_entropy(logits, batch.labels, {}, 1, gradient);
  network.backward(gradient);
  return loss;
}

std::vector<float> gradients(LearningNetwork& network) {
  std::vector<float> all;
  for (const LearnedTensor& tensor : network.weights().tensors()) {
    if (tensor.learns) all.insert(all.end(), tensor.gradient.span().begin(), tensor.gradient.span().end());
  }
  return all;
}

double norm(std::span<const float> values) {
  double sum = 0;
  for (const float value : values) sum += double{value} * value;
  return std::sqrt(sum);
}

// Moves all weights along the gradient and back: the loss must change as the gradient's length says. Its steps are so
// small that few ReLUs change sides, so large that float32 sees them.
void expect_gradient(const Graph& graph, const FeatureShape& shape, unsigned seed) {
  std::mt19937 random(seed);
  const Batch batch = random_batch(shape, graph.output().out_channels, random);
  NetworkOptions options;
  options.threads = 2;
  LearningNetwork network(graph, random_weights(graph, seed), options);
  learn(network, batch);
  const std::vector<float> gradient = gradients(network);
  const double length = norm(gradient);
  ASSERT_GT(length, 0);
  const auto loss_at = [&](double step) {
    std::size_t next = 0;
    std::vector<std::vector<float>> kept;
    for (LearnedTensor& tensor : network.weights().tensors()) {
      if (!tensor.learns) continue;
      kept.emplace_back(tensor.value.span().begin(), tensor.value.span().end());
      for (float& value : tensor.value.span()) value += static_cast<float>(step * gradient[next++] / length);
    }
    network.weights_changed();
    const std::span<const float> logits = network.forward(batch.pictures.data(), batch.shape);
    std::vector<float> unused(logits.size());
    const double loss = cross_entropy(logits, batch.labels, {}, 1, unused);
    next = 0;
    for (LearnedTensor& tensor : network.weights().tensors()) {
      if (tensor.learns) std::copy(kept[next].begin(), kept[next].end(), tensor.value.data()), ++next;
    }
    return loss;
  };
  // The slope along the gradient is its length. Of several steps the best: a kink spoils one, rounding another.
  double error = INFINITY;
  for (const double step : {1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5}) {
    const double slope = (loss_at(step) - loss_at(-step)) / (2 * step);
    error = std::min(error, std::abs(slope - length) / length);
  }
  EXPECT_LT(error, 2e-2) << "seed " << seed << ", length " << length;
}

TEST(PropertyLearning, GradientsOfArchitecturesAreTheLossesSlope) {
#ifdef RESNET_SANITIZED
  GTEST_SKIP() << "runs long beside a sanitizer";
#endif
  std::mt19937 random(7);
  int tried = 0;
  for (unsigned i = 0; tried < 12; ++i) {
    const Architecture architecture = random_architecture(random);
    if (architecture.classes < 2) continue;
    const Graph graph = expand(architecture);
    for (const int size : {32, 33, 48, 54, 64}) {
      const FeatureShape shape = {3, architecture.in_channels, size, size};
      try {
        infer_shapes(graph, shape);
      } catch (const Error&) {  // strides do not come out even
        continue;
      }
      expect_gradient(graph, shape, i);
      ++tried;
      break;
    }
  }
}

TEST(PropertyLearning, GradientsOfAnyGraphAreTheLossesSlope) {
  std::mt19937 random(8);
  for (unsigned i = 0; i < 25; ++i) expect_gradient(random_graph(random, 18, 5), {3, 5, 9, 8}, i);
}

Graph small_graph() {
  std::mt19937 random(3);
  Architecture a = thin(find_architecture("resnet20"));
  return expand(a);
}

TEST(LearningNetworkTest, IsTheSameForAnyNumberOfThreads) {
  const Graph graph = small_graph();
  std::mt19937 random(1);
  const Batch batch = random_batch({5, 3, 16, 16}, graph.output().out_channels, random);
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    NetworkOptions options;
    options.threads = threads;
    LearningNetwork network(graph, random_weights(graph, 1), options);
    learn(network, batch);
    results.push_back(gradients(network));
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

TEST(LearningNetworkTest, AddsGradientsOfSeveralPasses) {
  const Graph graph = small_graph();
  std::mt19937 random(2);
  const Batch batch = random_batch({4, 3, 16, 16}, graph.output().out_channels, random);
  LearningNetwork network(graph, random_weights(graph, 2));
  learn(network, batch);
  std::vector<float> once = gradients(network);
  learn(network, batch);
  const std::vector<float> twice = gradients(network);
  for (std::size_t i = 0; i < once.size(); ++i) ASSERT_NEAR(twice[i], 2 * once[i], 1e-6 + 1e-5 * std::abs(once[i]));
}

TEST(LearningNetworkTest, LeavesFrozenPartsAlone) {
  const Graph graph = small_graph();
  std::mt19937 random(3);
  const Batch batch = random_batch({4, 3, 16, 16}, graph.output().out_channels, random);
  const StateDict weights = random_weights(graph, 3);
  NetworkOptions options;
  options.learns = [](const Node& node) { return node.op == Op::kLinear || node.stage == 2; };
  LearningNetwork frozen(graph, weights, options);
  learn(frozen, batch);
  for (const LearnedTensor& tensor : frozen.weights().tensors()) {
    const Node& node = graph.nodes[static_cast<std::size_t>(tensor.node)];
    const bool learns = options.learns(node);
    const Tensor before = weights.at(tensor.name);
    const bool same = std::equal(before.f32().begin(), before.f32().end(), tensor.value.data());
    const bool statistic = tensor.name.find("running") != std::string::npos;
    EXPECT_EQ(same, !(learns && statistic)) << tensor.name;
    EXPECT_EQ(tensor.learns, learns && !statistic) << tensor.name;
    if (tensor.learns) {
      EXPECT_GT(norm(tensor.gradient.span()), 0) << tensor.name;
    }
  }
  const StateDict after = frozen.weights().state_dict();
  EXPECT_EQ(after.size(), weights.size());
  for (std::size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ((after.begin() + static_cast<std::ptrdiff_t>(i))->first,
              (weights.begin() + static_cast<std::ptrdiff_t>(i))->first);
  }
}

// A block whose F(x) is multiplied by zero for all pictures learns nothing; one kept by all is as without.
TEST(LearningNetworkTest, LeavesBlocksOut) {
  const Graph graph = small_graph();
  std::mt19937 random(4);
  const Batch batch = random_batch({4, 3, 16, 16}, graph.output().out_channels, random);
  LearningNetwork plain(graph, random_weights(graph, 4)), kept(graph, random_weights(graph, 4)),
      left(graph, random_weights(graph, 4));
  std::vector<float> scale(9 * 4, 1);
  const double loss = learn(plain, batch);
  EXPECT_NEAR(learn(kept, batch, scale), loss, 1e-6);
  const std::vector<float> a = gradients(plain), b = gradients(kept);
  for (std::size_t i = 0; i < a.size(); ++i) ASSERT_NEAR(a[i], b[i], 1e-5);
  std::fill(scale.begin() + 8 * 4, scale.end(), 0.0F);
  learn(left, batch, scale);
  for (const LearnedTensor& tensor : left.weights().tensors()) {
    if (!tensor.learns) continue;
    EXPECT_EQ(norm(tensor.gradient.span()) == 0, tensor.name.starts_with("layer3.2.")) << tensor.name;
  }
}

TEST(LearningNetworkTest, RefusesToLearnStatisticsFromOneValue) {
  const Graph graph = expand(thin(find_architecture("resnet18")));
  LearningNetwork network(graph, random_weights(graph, 1));
  const std::vector<float> picture(3 * 32 * 32);
  try {
    network.forward(picture.data(), {1, 3, 32, 32});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(
        error.what(),
        "layer4.0.bn1: expected more than one value per channel in training, got an input of 1x64x1x1: give it "
        "more pictures at a time, or larger ones");
  }
}

TEST(CrossEntropyTest, GradientIsItsSlope) {
  std::mt19937 random(5);
  const std::vector<std::int64_t> labels = {0, 3, 3, 1};
  for (const LossOptions& options : {LossOptions{}, LossOptions{0.1}, LossOptions{0.2, {0.5, 1, 0, 2}}}) {
    std::vector<float> logits = random_values(16, -3, 3, random), gradient(16, 1);
    cross_entropy(logits, labels, options, 0.5, gradient);
    for (std::size_t i = 0; i < logits.size(); ++i) {
      std::vector<float> unused(16);
      const float value = logits[i];
      const float above = value + 1e-2F, below = value - 1e-2F;
      logits[i] = above;
      const double high = cross_entropy(logits, labels, options, 1, unused);
      logits[i] = below;
      const double low = cross_entropy(logits, labels, options, 1, unused);
      logits[i] = value;
      EXPECT_NEAR(gradient[i] - 1, 0.5 * (high - low) / (double{above} - below), 1e-5);
    }
  }
}

TEST(CrossEntropyTest, IsWhatPyTorchComputes) {  // torch.nn.functional.cross_entropy
  const std::vector<float> logits = {1, 2, 3, -1, 0.5F, 0};
  const std::vector<std::int64_t> labels = {2, 0};
  std::vector<float> unused(6);
  EXPECT_NEAR(cross_entropy(logits, labels, {}, 1, unused), 1.2558683, 1e-6);
  EXPECT_NEAR(cross_entropy(logits, labels, {0.1}, 1, unused), 1.2642016, 1e-6);
  EXPECT_NEAR(cross_entropy(logits, labels, {0.1, {0.5, 1, 2}}, 1, unused), 0.7694342, 1e-6);
}

}  // namespace
}  // namespace resnet
