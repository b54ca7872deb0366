#include <algorithm>

#include "explain/layers.h"
#include "resnet/explain.h"

namespace resnet {

Embedder::Embedder(const Classifier& classifier, std::string layer)
    : classifier_(&classifier),
      layer_(std::move(layer)),
      node_(find_layer(classifier.engine().graph(), layer_)),
      size_(classifier.engine().graph().nodes[static_cast<std::size_t>(node_)].out_channels) {}

std::vector<float> Embedder::embed(const Image& image) const {
  const FeatureShape shape = classifier_->input_shape();
  std::vector<float> input(static_cast<std::size_t>(shape.count()));
  preprocess(image, classifier_->preprocessing(), input);
  return embed(input, shape);
}

std::vector<float> Embedder::embed(std::span<const float> input, const FeatureShape& shape) const {
  if (shape.batch == 0) return {};
  std::vector<float> logits(static_cast<std::size_t>(shape.batch) * classifier_->architecture().outputs());
  std::vector<float> rows;
  classifier_->engine().run(input, shape, logits, std::span(&node_, 1),
                            [&](int, const FeatureShape& layer, std::span<const float> values) {
                              const std::size_t pixels = static_cast<std::size_t>(layer.height * layer.width);
                              for (auto plane = values.begin(); plane != values.end();) {
                                const auto end = plane + static_cast<std::ptrdiff_t>(pixels);
                                double sum = 0;
                                for (; plane != end; ++plane) sum += *plane;
                                rows.push_back(static_cast<float>(sum / static_cast<double>(pixels)));
                              }
                            });
  return rows;
}

}  // namespace resnet
