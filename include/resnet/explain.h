// Why a network answers as it does, and where a picture stands among others: heatmaps and embeddings.
//
//   const resnet::Classifier classifier = resnet::Classifier::load("m.safetensors");
//   const resnet::Heatmap map = resnet::Explainer(classifier).explain(resnet::read_image("cat.jpg"));
//   const std::vector<float> embedding = resnet::Embedder(classifier).embed(resnet::read_image("cat.jpg"));
//
// No network is run backward for it. All const member functions may be called from several threads at the same time; a
// Classifier must outlive what was made with it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resnet/classifier.h"
#include "resnet/graph.h"
#include "resnet/image.h"

namespace resnet {

// How a layer's activations become one map; docs/explain.md says how to read each.
enum class HeatmapMethod {
  kCam,       // the last stage's channels, weighted as the classifier weighs them; one forward pass
  kAblation,  // any stage's, weighted by how far the class's score falls without them; a partial pass per channel
  kEigen,     // any stage's first principal component; speaks for no class; one forward pass
};
std::string_view name(HeatmapMethod value) noexcept;        // "cam", "ablation", "eigen"
HeatmapMethod parse_heatmap_method(std::string_view text);  // throws kInvalidArgument naming the choices

struct HeatmapOptions {
  HeatmapMethod method = HeatmapMethod::kCam;
  std::string layer;  // "layer3", or a block of it, "layer3.0"; empty: the last stage
};

// A map over the pixels of a layer, which lie as a grid over the network's input.
struct Heatmap {
  int class_index = -1;  // the class it speaks for; -1: none
  int height = 0;
  int width = 0;
  std::vector<float> values;  // row by row from the top left; 0 and above, in units of the method
  std::vector<float> logits;  // of the forward pass, one per class; of a backbone its features
};

class HeadGradient;  // src/explain/head_gradient.h

class Explainer {
 public:
  // Throws kNotFound for a layer that the network has not, kInvalidArgument for kCam on another than the last stage,
  // kUnsupported for a backbone, of which kEigen alone has maps.
  explicit Explainer(const Classifier& classifier, const HeatmapOptions& options = {});

  // The map of one class, or of the one that scores highest. Throws kInvalidArgument where there is no such class, and
  // what Classifier::logits() throws.
  Heatmap explain(const Image& image, std::optional<int> class_index = {}) const;

  // The same for one picture that is already preprocessed (NCHW, batch 1).
  Heatmap explain(std::span<const float> input, const FeatureShape& shape, std::optional<int> class_index = {}) const;

  HeatmapMethod method() const noexcept { return method_; }
  const std::string& layer() const noexcept { return layer_; }

 private:
  const Classifier* classifier_;
  HeatmapMethod method_;
  std::string layer_;
  int node_;
  std::shared_ptr<const HeadGradient> head_;  // of kCam
};

// The vector that stands for a picture: a layer's channels, each averaged over its pixels.
class Embedder {
 public:
  // `layer`: "avgpool", what the classifier sees; "layer3"; or a block, "layer3.0". Throws kNotFound for others.
  explicit Embedder(const Classifier& classifier, std::string layer = "avgpool");

  int size() const noexcept { return size_; }  // values of one embedding
  const std::string& layer() const noexcept { return layer_; }

  std::vector<float> embed(const Image& image) const;

  // One row per picture: shape.batch x size(). Of pictures that are already preprocessed (NCHW).
  std::vector<float> embed(std::span<const float> input, const FeatureShape& shape) const;

 private:
  const Classifier* classifier_;
  std::string layer_;
  int node_;
  int size_;
};

}  // namespace resnet
