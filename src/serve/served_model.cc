#include "serve/served_model.h"

#include <fmt/format.h>

#include "resnet/model_file.h"

namespace resnet::serve {
namespace {

Classifier load(const std::string& path, const std::string& name, const ModelOptions& options,
                const std::function<void(const std::string&)>& say, std::unique_ptr<DriftGauge>& drift) {
  Model model = load_model(path);
  for (const std::string& note : model.finding.notes) say(fmt::format("{}: {}", path, note));
  for (const ToldField& field : model.finding.assumed) {
    say(fmt::format("{}: {} {} is assumed, as its tensors do not tell; `resnet convert` writes a file that does", path,
                    field.name, field.value));
  }
  ClassifierOptions classifier;
  classifier.engine.threads = 1;
  classifier.engine.sessions = options.sessions;
  classifier.engine.crew = options.crew;
  classifier.engine.precision = options.precision;
  if (options.check) {
    Model settled = model;
    if (!settled.preprocessing) settled.preprocessing = assume_preprocessing(model.architecture);
    drift = std::make_unique<DriftGauge>(settled, name, say);
  }
  Classifier made(std::move(model), classifier);
  if (made.preprocessing_assumed()) {
    const Preprocessing& how = made.preprocessing();
    say(
        fmt::format("{}: the file does not say how pictures are prepared: resize {}, {}x{}, {} is assumed; `resnet "
                    "convert` writes a file that does",
                    path, how.resize, how.height, how.width, resnet::name(how.interpolation)));
  }
  return made;
}

HeatmapOptions heatmap_of(const Classifier& classifier) {
  HeatmapOptions options;
  options.method = classifier.architecture().classes > 0 ? HeatmapMethod::kCam : HeatmapMethod::kEigen;
  return options;
}

}  // namespace

ServedModel::ServedModel(std::string name, std::string version, std::string path, const ModelOptions& options,
                         std::shared_ptr<ModelCounters> counters, const std::function<void(const std::string&)>& say)
    : name_(std::move(name)),
      version_(std::move(version)),
      path_(std::move(path)),
      max_pixels_(options.max_pixels),
      classifier_(load(path_, name_, options, say, drift_)),
      embedder_(classifier_),
      explainer_(classifier_, heatmap_of(classifier_)),
      counters_(std::move(counters)) {
  const FeatureShape shape = classifier_.input_shape();
  classifier_.logits(std::vector<float>(static_cast<std::size_t>(shape.count())), shape);
}

DecodeOptions ServedModel::decode_options() const noexcept {
  DecodeOptions options;
  options.max_pixels = max_pixels_;
  return options;
}

std::vector<TensorMetadata> ServedModel::inputs() const {
  const FeatureShape shape = classifier_.input_shape();
  std::vector<TensorMetadata> all = {{"input", "FP32", {-1, shape.channels, shape.height, shape.width}}};
  if (shape.channels == 1 || shape.channels == 3) {
    all.push_back({"image", "BYTES", {-1}});
    all.push_back({"pixels", "UINT8", {-1, -1, -1, shape.channels}});
  }
  return all;
}

std::vector<TensorMetadata> ServedModel::outputs() const {
  const std::int64_t classes = classifier_.architecture().classes;
  std::vector<TensorMetadata> all;
  if (classes > 0) {
    all.push_back({"logits", "FP32", {-1, classes}});
    all.push_back({"probabilities", "FP32", {-1, classes}});
    all.push_back({"labels", "BYTES", {-1, -1}});
  }
  all.push_back({"features", "FP32", {-1, embedder_.size()}});
  all.push_back({"heatmap", "FP32", {-1, -1, -1}});
  return all;
}

std::int64_t ServedModel::bytes() const {
  return classifier_.engine().weight_bytes() + classifier_.engine().workspace_bytes(classifier_.input_shape());
}

}  // namespace resnet::serve
