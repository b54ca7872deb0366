#include <algorithm>

#include "capi/guard.h"
#include "resnet/explain.h"

struct resnet_classifier {  // NOLINT(readability-identifier-naming): C's name
  explicit resnet_classifier(resnet::Classifier made) : classifier(std::move(made)), embedder(classifier) {
    if (classifier.architecture().classes > 0) explainer.emplace(classifier);
    for (const std::string& note : classifier.notes()) notes += (notes.empty() ? "" : "\n") + note;
  }

  resnet::Classifier classifier;
  std::optional<resnet::Explainer> explainer;  // none of a backbone
  resnet::Embedder embedder;
  std::string notes;  // a line each
};

namespace resnet::capi {
namespace {

const Classifier& classifier_of(const resnet_classifier* model) { return required(model, "model").classifier; }

ClassifierOptions to_options(const resnet_options* options) {
  ClassifierOptions result;
  if (options == nullptr) return result;
  result.engine.threads = options->threads;
  if (options->architecture != nullptr) result.architecture = find_architecture(options->architecture);
  if (options->preset != nullptr) result.preprocessing = preset(options->preset);
  if (options->precision != nullptr) result.engine.precision = parse_precision(options->precision);
  result.allow_nonfinite = options->allow_nonfinite != 0;
  if (options->take != nullptr) result.take = options->take;
  if (options->head != nullptr) result.head = options->head;
  if (options->fields != nullptr) result.changes = parse_changes(options->fields);
  return result;
}

// `count` values behind a pointer that must not be null.
template <typename T>
std::span<T> array(T* values, std::size_t count, const char* name) {
  return {&required(values, name), count};
}

std::span<const std::byte> file_bytes(const void* bytes, std::size_t size) {
  return array(static_cast<const std::byte*>(bytes), size, "bytes");
}

ImageView to_view(const std::uint8_t* pixels, int width, int height, int channels) {
  if (width < 1 || height < 1 || channels < 1) {
    fail(ErrorCode::kInvalidArgument, "pixels", "a picture of {}x{} pixels and {} channels", width, height, channels);
  }
  const std::int64_t bytes = element_count({width, height, channels});
  return {width, height, channels, array(pixels, static_cast<std::size_t>(bytes), "pixels")};
}

struct Input {
  FeatureShape shape;
  std::span<const float> values;
};

Input to_input(const resnet_tensor* tensor) {
  const resnet_tensor& t = required(tensor, "input");
  if (t.batch < 1 || t.channels < 1 || t.height < 1 || t.width < 1) {
    fail(ErrorCode::kInvalidArgument, "input", "a tensor of {}x{}x{}x{}", t.batch, t.channels, t.height, t.width);
  }
  const std::int64_t count = element_count({t.batch, t.channels, t.height, t.width});
  return {{t.batch, t.channels, t.height, t.width}, array(t.values, static_cast<std::size_t>(count), "input.values")};
}

std::span<float> to_output(float* values, std::size_t size, std::int64_t needed, const char* name) {
  if (static_cast<std::int64_t>(size) != needed) {
    fail(ErrorCode::kMismatch, name, "room for {} values, but there are {}", size, needed);
  }
  return array(values, size, name);
}

// Sizes of what global pooling takes: of a heatmap of the last stage.
FeatureShape last_stage_shape(const Graph& graph, const FeatureShape& input) {
  const auto pool = std::find_if(graph.nodes.begin(), graph.nodes.end(),
                                 [](const Node& node) { return node.op == Op::kGlobalAveragePool; });
  return infer_shapes(graph, input)[static_cast<std::size_t>(pool->inputs[0])];
}

// Hands the guesses that `find(top)` returns to an array of the caller.
template <typename Find>
resnet_status give_guesses(const resnet_classifier* model, resnet_guess* guesses, int capacity, int* count,
                           const Find& find) noexcept {
  if (count != nullptr) *count = 0;
  return guarded([&] {
    const Classifier& classifier = classifier_of(model);
    required(guesses, "guesses");
    required(count, "count");
    if (capacity < 1) fail(ErrorCode::kInvalidArgument, "capacity", "{} is less than 1", capacity);
    for (const Guess& guess : find(classifier, capacity)) {
      const std::string& label = classifier.labels()[static_cast<std::size_t>(guess.index)];
      guesses[(*count)++] = {guess.index, guess.probability, label.c_str()};
    }
  });
}

}  // namespace
}  // namespace resnet::capi

using namespace resnet::capi;  // NOLINT(google-build-using-namespace): what follows has no namespace

extern "C" {

resnet_status resnet_load(const char* path, const resnet_options* options, resnet_classifier** model) {
  if (model != nullptr) *model = nullptr;
  return guarded([&] {
    required(model, "model");
    *model = new resnet_classifier(resnet::Classifier::load(&required(path, "path"), to_options(options)));
  });
}

void resnet_free(resnet_classifier* model) { delete model; }

int resnet_class_count(const resnet_classifier* model) {
  return model == nullptr ? 0 : model->classifier.architecture().classes;
}

int resnet_feature_count(const resnet_classifier* model) {
  return model == nullptr ? 0 : model->classifier.architecture().features();
}

int resnet_channels(const resnet_classifier* model) {
  return model == nullptr ? 0 : model->classifier.architecture().in_channels;
}

int resnet_height(const resnet_classifier* model) {
  return model == nullptr ? 0 : model->classifier.preprocessing().height;
}

int resnet_width(const resnet_classifier* model) {
  return model == nullptr ? 0 : model->classifier.preprocessing().width;
}

const char* resnet_architecture(const resnet_classifier* model) {
  return model == nullptr ? nullptr : model->classifier.architecture().name.c_str();
}

const char* resnet_notes(const resnet_classifier* model) { return model == nullptr ? nullptr : model->notes.c_str(); }

const char* resnet_class_name(const resnet_classifier* model, int index) {
  if (index < 0 || index >= resnet_class_count(model)) return nullptr;
  return model->classifier.labels()[static_cast<std::size_t>(index)].c_str();
}

resnet_status resnet_classify_file(const resnet_classifier* model, const char* path, resnet_guess* guesses,
                                   int capacity, int* count) {
  return give_guesses(model, guesses, capacity, count, [&](const resnet::Classifier& classifier, int top) {
    return classifier.classify(std::string(&required(path, "path")), top);
  });
}

resnet_status resnet_classify_bytes(const resnet_classifier* model, const void* bytes, size_t size,
                                    resnet_guess* guesses, int capacity, int* count) {
  return give_guesses(model, guesses, capacity, count, [&](const resnet::Classifier& classifier, int top) {
    return classifier.classify(file_bytes(bytes, size), top);
  });
}

resnet_status resnet_classify_pixels(const resnet_classifier* model, const uint8_t* pixels, int width, int height,
                                     int channels, resnet_guess* guesses, int capacity, int* count) {
  return give_guesses(model, guesses, capacity, count, [&](const resnet::Classifier& classifier, int top) {
    return classifier.classify(to_view(pixels, width, height, channels), top);
  });
}

resnet_status resnet_prepare_file(const resnet_classifier* model, const char* path, float* tensor, size_t size) {
  return guarded(
      [&] { classifier_of(model).prepare(std::string(&required(path, "path")), array(tensor, size, "tensor")); });
}

resnet_status resnet_prepare_bytes(const resnet_classifier* model, const void* bytes, size_t size, float* tensor,
                                   size_t tensor_size) {
  return guarded([&] { classifier_of(model).prepare(file_bytes(bytes, size), array(tensor, tensor_size, "tensor")); });
}

resnet_status resnet_prepare_pixels(const resnet_classifier* model, const uint8_t* pixels, int width, int height,
                                    int channels, float* tensor, size_t size) {
  return guarded(
      [&] { classifier_of(model).prepare(to_view(pixels, width, height, channels), array(tensor, size, "tensor")); });
}

resnet_status resnet_logits(const resnet_classifier* model, const resnet_tensor* input, float* logits, size_t size) {
  return guarded([&] {
    const resnet::Classifier& classifier = classifier_of(model);
    const auto [shape, values] = to_input(input);
    const std::int64_t needed = shape.batch * classifier.architecture().outputs();
    classifier.engine().run(values, shape, to_output(logits, size, needed, "logits"));
  });
}

resnet_status resnet_top(const resnet_classifier* model, const float* logits, resnet_guess* guesses, int capacity,
                         int* count) {
  return give_guesses(model, guesses, capacity, count, [&](const resnet::Classifier& classifier, int top) {
    return classifier.top(array(logits, classifier.labels().size(), "logits"), top);
  });
}

resnet_status resnet_features(const resnet_classifier* model, const resnet_tensor* input, float* features,
                              size_t size) {
  return guarded([&] {
    const resnet::Embedder& embedder = required(model, "model").embedder;
    const auto [shape, values] = to_input(input);
    const std::span<float> out = to_output(features, size, shape.batch * embedder.size(), "features");
    std::ranges::copy(embedder.embed(values, shape), out.begin());
  });
}

resnet_status resnet_heatmap_size(const resnet_classifier* model, const resnet_tensor* input, int* rows, int* columns) {
  return guarded([&] {
    required(rows, "rows") = 0;
    required(columns, "columns") = 0;
    const auto [shape, values] = to_input(input);
    const resnet::FeatureShape of_map = last_stage_shape(classifier_of(model).engine().graph(), shape);
    *rows = static_cast<int>(of_map.height);
    *columns = static_cast<int>(of_map.width);
  });
}

resnet_status resnet_heatmap(const resnet_classifier* model, const resnet_tensor* input, int index, float* heatmap,
                             size_t size) {
  return guarded([&] {
    resnet::require_head(classifier_of(model).architecture(), "heatmap");
    const resnet::Explainer& explainer = *model->explainer;
    const auto [shape, values] = to_input(input);
    const resnet::FeatureShape of_map = last_stage_shape(model->classifier.engine().graph(), shape);
    const std::span<float> out = to_output(heatmap, size, of_map.height * of_map.width, "heatmap");
    const std::optional<int> wanted = index == -1 ? std::nullopt : std::optional(index);
    std::ranges::copy(explainer.explain(values, shape, wanted).values, out.begin());
  });
}
}
