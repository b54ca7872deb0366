#include "resnet/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "explain/head_gradient.h"
#include "explain/layers.h"
#include "program/random_weights.h"
#include "resnet/error.h"

namespace resnet {
namespace {

using ::testing::HasSubstr;

// Three stages; channels that are no multiple of the kernels' block.
Classifier small_classifier(int threads = 1) {
  Model model;
  model.architecture.depths = {1, 2, 1};
  model.architecture.widths = {4, 6, 9};
  model.architecture.stem_width = 8;
  model.architecture.classes = 7;
  model.weights = random_weights(expand(model.architecture), 3);
  ClassifierOptions options;
  options.engine.threads = threads;
  return Classifier(std::move(model), options);
}

const FeatureShape kShape{1, 3, 70, 90};

std::vector<float> picture() {
  std::mt19937 random(7);
  return random_values(kShape.count(), -2, 2, random);
}

struct Seen {
  FeatureShape shape;
  std::vector<float> values, logits;
};

Seen look(const Classifier& classifier, int node) {
  Seen seen;
  seen.logits.resize(7);
  classifier.engine().run(picture(), kShape, seen.logits, std::span(&node, 1),
                          [&](int, const FeatureShape& shape, std::span<const float> values) {
                            seen.shape = shape;
                            seen.values.assign(values.begin(), values.end());
                          });
  return seen;
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

double largest_difference(std::span<const float> a, std::span<const float> b) {
  EXPECT_EQ(a.size(), b.size());
  double difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) difference = std::max<double>(difference, std::abs(a[i] - b[i]));
  return difference;
}

float largest(std::span<const float> values) { return *std::max_element(values.begin(), values.end()); }

TEST(LayersTest, FindsStagesBlocksAndThePool) {
  const Graph graph = expand(find_architecture("resnet50"));
  EXPECT_EQ(graph.nodes[find_layer(graph, "layer3")].path, "layer3.5.relu");
  EXPECT_EQ(find_layer(graph, "layer3"), find_layer(graph, "layer3.5"));
  EXPECT_LT(find_layer(graph, "layer3.4"), find_layer(graph, "layer3.5"));
  EXPECT_EQ(graph.nodes[find_layer(graph, "avgpool")].op, Op::kGlobalAveragePool);
  EXPECT_EQ(last_stage(graph), "layer4");
  Architecture both = find_architecture("resnet18");
  both.head_pool = HeadPool::kMaxAverage;
  const Graph of_both = expand(both);
  EXPECT_EQ(of_both.nodes[find_layer(of_both, "avgpool")].op, Op::kConcat);
  for (const char* name : {"layer5", "layer0", "layer4.3", "fc", "", "conv1"}) {
    EXPECT_THAT(error_of([&] { find_layer(graph, name); }), HasSubstr("there are layer1 to layer4")) << name;
  }
}

// The map of a class, not yet cut at zero, sums to the class's score without the bias: so the positive and the
// negative part of two maps must differ by it. Here: computed again from the parts, in another order.
TEST(HeatmapTest, CamIsTheClassifierAppliedToEachPixel) {
  const Classifier classifier = small_classifier();
  const Graph& graph = classifier.engine().graph();
  const Seen seen = look(classifier, find_layer(graph, "layer3"));
  const std::span<const float> weights = classifier.engine().weights().at("fc.weight").f32();
  const Explainer explainer(classifier);
  EXPECT_EQ(explainer.layer(), "layer3");
  const std::int64_t pixels = seen.shape.height * seen.shape.width;
  for (int c = 0; c < 7; ++c) {
    const Heatmap map = explainer.explain(picture(), kShape, c);
    EXPECT_EQ(map.class_index, c);
    ASSERT_EQ(map.height * map.width, pixels);
    double score = classifier.engine().weights().at("fc.bias").f32()[c];
    for (std::int64_t p = 0; p < pixels; ++p) {
      double value = 0;
      for (std::int64_t k = 0; k < seen.shape.channels; ++k) {
        value += static_cast<double>(weights[c * seen.shape.channels + k]) * seen.values[k * pixels + p];
      }
      score += value / static_cast<double>(pixels);
      EXPECT_NEAR(map.values[p], std::max(value, 0.0) / static_cast<double>(pixels), 1e-6);
    }
    EXPECT_NEAR(score, map.logits[c], 1e-5);
  }
}

// Against differences of the scores, for every activation, and both poolings.
TEST(HeadGradientTest, IsTheSlopeOfTheScore) {
  for (int i = 0; i < 7; ++i) {
    SCOPED_TRACE(i);
    Architecture a = small_classifier().architecture();
    a.head_widths = {13, 5};
    a.head_activation = static_cast<HeadActivation>(i);
    a.head_pool = i % 2 == 0 ? HeadPool::kAverage : HeadPool::kAverageMax;
    const Graph graph = expand(a);
    const StateDict weights = random_weights(graph, 3);
    const Engine engine(graph, weights, {1});
    const FeatureShape shape{1, 3, 32, 32};
    const int pool = find_layer(graph, "avgpool");
    std::mt19937 random(5);
    const std::vector<float> features = random_values(a.features(), -3, 3, random);
    const std::vector<double> gradient = HeadGradient(graph, weights).of_class(2, features);
    ASSERT_EQ(gradient.size(), features.size());
    std::vector<float> scores(7);
    const auto score = [&](std::size_t feature, float step) {
      std::vector<float> moved = features;
      moved[feature] += step;
      engine.run_from(pool, moved, shape, scores);
      return static_cast<double>(scores[2]);
    };
    for (std::size_t k = 0; k < features.size(); ++k) {
      EXPECT_NEAR((score(k, 0.01F) - score(k, -0.01F)) / 0.02, gradient[k], 0.02) << k;
    }
  }
}

TEST(HeatmapTest, TheTopClassIsTheDefault) {
  const Classifier classifier = small_classifier();
  const Heatmap map = Explainer(classifier).explain(picture(), kShape);
  EXPECT_EQ(map.logits[map.class_index], largest(map.logits));
  EXPECT_EQ(map.values, Explainer(classifier).explain(picture(), kShape, map.class_index).values);
}

// On the last stage a channel's loss has a closed form, its share of the score, and the map is CAM's with each channel
// weighed by its mean once more.
TEST(HeatmapTest, AblationOnTheLastStageHasAClosedForm) {
  const Classifier classifier = small_classifier();
  const int node = find_layer(classifier.engine().graph(), "layer3");
  const Seen seen = look(classifier, node);
  const std::span<const float> weights = classifier.engine().weights().at("fc.weight").f32();
  const auto pixels = static_cast<std::size_t>(seen.shape.height * seen.shape.width);
  const Explainer explainer(classifier, {HeatmapMethod::kAblation, ""});
  int maps = 0;  // that are not all zero
  for (int c = 0; c < 7; ++c) {
    std::vector<float> expected(pixels);
    for (std::int64_t k = 0; k < seen.shape.channels; ++k) {
      const std::span<const float> channel = std::span(seen.values).subspan(k * pixels, pixels);
      const float mean = std::accumulate(channel.begin(), channel.end(), 0.0F) / static_cast<float>(pixels);
      for (std::size_t p = 0; p < pixels; ++p) {
        expected[p] += weights[c * seen.shape.channels + k] * mean * channel[p];
      }
    }
    for (float& value : expected) value = std::max(value, 0.0F);
    const Heatmap map = explainer.explain(picture(), kShape, c);
    EXPECT_LE(largest_difference(map.values, expected), 1e-4 * largest(expected));
    maps += largest(expected) > 0;
  }
  EXPECT_GT(maps, 0);
}

// More channels than run together, on a layer in the middle, against zeroing them one by one.
TEST(HeatmapTest, AblationRunsTheRestOfTheNetwork) {
  const Classifier classifier = small_classifier(2);
  const int node = find_layer(classifier.engine().graph(), "layer2.0");
  const Seen seen = look(classifier, node);
  const auto pixels = static_cast<std::size_t>(seen.shape.height * seen.shape.width);
  const Explainer explainer(classifier, {HeatmapMethod::kAblation, "layer2.0"});
  EXPECT_GT(seen.shape.channels, 16);
  int maps = 0;  // that are not all zero
  for (int c = 0; c < 7; ++c) {
    std::vector<float> expected(pixels);
    for (std::int64_t k = 0; k < seen.shape.channels; ++k) {
      std::vector<float> without = seen.values;
      std::fill_n(without.begin() + k * static_cast<std::int64_t>(pixels), pixels, 0.0F);
      std::vector<float> logits(7);
      classifier.engine().run_from(node, without, kShape, logits);
      const float loss = seen.logits[c] - logits[c];
      for (std::size_t p = 0; p < pixels; ++p) expected[p] += loss * seen.values[k * pixels + p];
    }
    for (float& value : expected) value = std::max(value, 0.0F);
    EXPECT_LE(largest_difference(explainer.explain(picture(), kShape, c).values, expected), 1e-4 * largest(expected));
    maps += largest(expected) > 0;
  }
  EXPECT_GT(maps, 0);
}

// The map is A v for the v that (A^T A) v = s v: so A A^T map = s map.
TEST(HeatmapTest, EigenIsAnEigenvector) {
  const Classifier classifier = small_classifier();
  for (const char* layer : {"layer1", "layer2.0", "layer3"}) {
    const Seen seen = look(classifier, find_layer(classifier.engine().graph(), layer));
    const Heatmap map = Explainer(classifier, {HeatmapMethod::kEigen, layer}).explain(picture(), kShape, 1);
    EXPECT_EQ(map.class_index, -1);
    const auto pixels = static_cast<std::size_t>(seen.shape.height * seen.shape.width);
    ASSERT_EQ(map.values.size(), pixels);
    std::vector<double> again(pixels);
    for (std::int64_t k = 0; k < seen.shape.channels; ++k) {
      const std::span<const float> channel = std::span(seen.values).subspan(k * pixels, pixels);
      const double product = std::inner_product(channel.begin(), channel.end(), map.values.begin(), 0.0);
      for (std::size_t p = 0; p < pixels; ++p) again[p] += product * channel[p];
    }
    const double value = std::inner_product(again.begin(), again.end(), map.values.begin(), 0.0) /
                         std::inner_product(map.values.begin(), map.values.end(), map.values.begin(), 0.0);
    for (std::size_t p = 0; p < pixels; ++p) EXPECT_NEAR(again[p] / value, map.values[p], 1e-4 * largest(map.values));
  }
}

TEST(HeatmapTest, RefusesWhatHasNoMeaning) {
  const Classifier classifier = small_classifier();
  EXPECT_THAT(error_of([&] {
                Explainer(classifier, {HeatmapMethod::kCam, "layer2"});
              }),
              HasSubstr("cam explains layer3"));
  EXPECT_THAT(error_of([&] { Explainer(classifier, {HeatmapMethod::kEigen, "avgpool"}); }), HasSubstr("one pixel"));
  EXPECT_THAT(error_of([&] { Explainer(classifier, {HeatmapMethod::kEigen, "layer4"}); }), HasSubstr("no 'layer4'"));
  const Explainer explainer(classifier);
  EXPECT_THAT(error_of([&] { explainer.explain(picture(), kShape, 7); }), HasSubstr("7 is not 0 to 6"));
  EXPECT_THAT(error_of([&] { explainer.explain(picture(), kShape, -1); }), HasSubstr("-1 is not"));
  EXPECT_THAT(error_of([&] { explainer.explain(picture(), {2, 3, 70, 45}); }), HasSubstr("2 pictures"));
  EXPECT_THAT(error_of([] { parse_heatmap_method("grad"); }), HasSubstr("none of cam, ablation, eigen"));
}

TEST(EmbedderTest, AveragesALayersPixels) {
  const Classifier classifier = small_classifier();
  const Graph& graph = classifier.engine().graph();
  const Seen pool = look(classifier, find_layer(graph, "avgpool"));
  const Embedder embedder(classifier);
  EXPECT_EQ(embedder.size(), 36);
  EXPECT_EQ(embedder.embed(picture(), kShape), pool.values);
  EXPECT_LT(largest_difference(Embedder(classifier, "layer3").embed(picture(), kShape), pool.values),
            1e-6 * largest(pool.values));
  EXPECT_EQ(Embedder(classifier, "layer1").size(), 16);

  std::vector<float> two = picture();
  const std::vector<float> one = picture();
  two.insert(two.end(), one.rbegin(), one.rend());
  const std::vector<float> rows = embedder.embed(two, {2, 3, 70, 90});
  ASSERT_EQ(rows.size(), 72U);
  EXPECT_LT(largest_difference(std::span(rows).first(36), pool.values), 1e-6 * largest(pool.values));
  EXPECT_THAT(error_of([&] { Embedder(classifier, "fc"); }), HasSubstr("no 'fc'"));
}

TEST(EmbedderTest, TakesPictures) {
  const Classifier classifier = small_classifier();
  Image image{300, 280, 3, std::vector<std::uint8_t>(std::size_t{300} * 280 * 3)};
  for (std::size_t i = 0; i < image.pixels.size(); ++i) image.pixels[i] = static_cast<std::uint8_t>(i * 7 / 5);
  const FeatureShape shape = classifier.input_shape();
  std::vector<float> input(static_cast<std::size_t>(shape.count()));
  preprocess(image, classifier.preprocessing(), input);
  EXPECT_EQ(Embedder(classifier).embed(image), Embedder(classifier).embed(input, shape));
  EXPECT_EQ(Explainer(classifier).explain(image).values, Explainer(classifier).explain(input, shape).values);
}

}  // namespace
}  // namespace resnet
