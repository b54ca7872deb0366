#include "resnet/classifier.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "model/answer.h"
#include "model/imagenet_classes.h"

namespace resnet {
namespace {

std::vector<std::string> class_labels(const Architecture& architecture, std::vector<std::string> names) {
  if (!names.empty()) {
    if (names.size() != static_cast<std::size_t>(architecture.classes)) {
      fail(ErrorCode::kMismatch, "classes", "{} names, but the network has {} outputs", names.size(),
           architecture.classes);
    }
    return names;
  }
  if (architecture.classes == 1000) return imagenet_class_names();
  for (int i = 0; i < architecture.classes; ++i) names.push_back(std::to_string(i));
  return names;
}

std::vector<std::string> notes_on(const Finding& finding, bool preprocessing_assumed) {
  std::vector<std::string> notes = finding.notes;
  std::string assumed;
  for (const ToldField& field : finding.assumed) assumed += fmt::format(" {}={}", field.name, field.value);
  if (!assumed.empty()) notes.push_back(fmt::format("assumed, as its tensors do not tell:{}", assumed));
  if (preprocessing_assumed) notes.emplace_back("the preprocessing is assumed: nobody says it");
  return notes;
}

}  // namespace

void require_head(const Architecture& architecture, std::string_view where) {
  if (architecture.classes > 0) return;
  fail(
      ErrorCode::kUnsupported, std::string(where),
      "the model has no head, so it names no classes; 'resnet features', 'resnet similar' and 'resnet explain --method "
      "eigen' take it");
}

Preprocessing assume_preprocessing(const Architecture& architecture) {
  Preprocessing result = preset(architecture.stem == Stem::kCifar ? "cifar" : "torchvision");
  if (architecture.in_channels != 3) {
    result.mean.assign(static_cast<std::size_t>(architecture.in_channels), 0.0F);
    result.std.assign(static_cast<std::size_t>(architecture.in_channels), 1.0F);
  }
  return result;
}

struct Classifier::Impl {
  Impl(Model model, const ClassifierOptions& options)
      : architecture(options.architecture.value_or(model.architecture)),
        named(!model.classes.empty() || architecture.classes == 1000),
        labels(class_labels(architecture, std::move(model.classes))),
        assumed(!options.preprocessing && !model.preprocessing),
        preprocessing(options.preprocessing ? *options.preprocessing
                      : model.preprocessing ? *model.preprocessing
                                            : assume_preprocessing(architecture)),
        allow_nonfinite(options.allow_nonfinite),
        notes(notes_on(model.finding, assumed)),
        engine(expand(architecture), model.weights, options.engine) {}

  Architecture architecture;
  bool named;
  std::vector<std::string> labels;
  bool assumed;
  Preprocessing preprocessing;
  bool allow_nonfinite;
  std::vector<std::string> notes;
  Engine engine;
};

Classifier Classifier::load(const std::string& path, const ClassifierOptions& options) {
  LoadOptions load;
  load.architecture = options.architecture;
  load.allow_nonfinite = options.allow_nonfinite;
  load.take = options.take;
  load.head = options.head;
  load.changes = options.changes;
  Model model = load_model(path, load);
  ClassifierOptions rest = options;
  rest.architecture = model.architecture;  // with the sizes that the weights show
  return Classifier(std::move(model), rest);
}

Classifier::Classifier(Model model, const ClassifierOptions& options)
    : impl_(std::make_unique<Impl>(std::move(model), options)) {
  const auto channels = static_cast<std::size_t>(impl_->architecture.in_channels);
  const Preprocessing& how = impl_->preprocessing;
  if (how.mean.size() != channels || how.std.size() != channels) {
    fail(ErrorCode::kMismatch, "preprocessing", "of {} channels, but the network takes {}", how.mean.size(), channels);
  }
}
Classifier::~Classifier() = default;
Classifier::Classifier(Classifier&&) noexcept = default;
Classifier& Classifier::operator=(Classifier&&) noexcept = default;

const Architecture& Classifier::architecture() const noexcept { return impl_->architecture; }
const std::vector<std::string>& Classifier::labels() const noexcept { return impl_->labels; }
bool Classifier::named() const noexcept { return impl_->named; }
const Preprocessing& Classifier::preprocessing() const noexcept { return impl_->preprocessing; }
bool Classifier::preprocessing_assumed() const noexcept { return impl_->assumed; }
const std::vector<std::string>& Classifier::notes() const noexcept { return impl_->notes; }
const Engine& Classifier::engine() const noexcept { return impl_->engine; }

// One picture as a batch.
FeatureShape Classifier::input_shape() const noexcept {
  return {1, impl_->architecture.in_channels, impl_->preprocessing.height, impl_->preprocessing.width};
}

// Prepares whatever prepare() takes and classifies it. `where` names it in errors.
template <typename Picture>
std::vector<Guess> Classifier::classify_one(const Picture& picture, int top, std::string_view where) const {
  const FeatureShape shape = input_shape();
  std::vector<float> input(static_cast<std::size_t>(shape.count()));
  prepare(picture, input);
  const std::vector<float> scores = logits(input, shape);
  if (!impl_->allow_nonfinite) check_answer(scores, where);
  return this->top(scores, top);
}

std::vector<Guess> Classifier::classify(const std::string& path, int top) const {
  return classify_one(path, top, path);
}
std::vector<Guess> Classifier::classify(std::span<const std::byte> file, int top) const {
  return classify_one(file, top, "picture");
}
std::vector<Guess> Classifier::classify(const ImageView& image, int top) const {
  return classify_one(image, top, "picture");
}

void Classifier::prepare(const std::string& path, std::span<float> out) const { prepare(read_file(path), out, path); }

void Classifier::prepare(std::span<const std::byte> file, std::span<float> out, std::string_view where) const {
  load_input(file, where, impl_->preprocessing, out);
}

void Classifier::prepare(const ImageView& image, std::span<float> out) const {
  preprocess(image, impl_->preprocessing, out);
}

std::vector<float> Classifier::logits(std::span<const Image> images) const {
  FeatureShape shape = input_shape();
  const auto each = static_cast<std::size_t>(shape.count());
  std::vector<float> input(images.size() * each);
  for (std::size_t i = 0; i < images.size(); ++i) {
    prepare(images[i], std::span(input).subspan(i * each, each));
  }
  shape.batch = static_cast<std::int64_t>(images.size());
  return logits(input, shape);
}

std::vector<float> Classifier::logits(std::span<const float> input, const FeatureShape& shape) const {
  if (shape.batch == 0) return {};
  std::vector<float> result(static_cast<std::size_t>(shape.batch) * impl_->architecture.outputs());
  impl_->engine.run(input, shape, result);
  return result;
}

std::vector<Guess> Classifier::top(std::span<const float> logits, int count) const {
  require_head(impl_->architecture, "classes");
  const std::size_t classes = impl_->labels.size();
  if (logits.size() != classes) {
    fail(ErrorCode::kMismatch, "logits", "{} values, but there are {} classes", logits.size(), classes);
  }
  if (count < 1) fail(ErrorCode::kInvalidArgument, "top", "must be at least 1");
  std::vector<int> order(classes);
  std::iota(order.begin(), order.end(), 0);
  const auto kept = order.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(count, classes));
  // NaN comes last, so that the order is one; equal scores keep the order of the classes.
  const auto score = [&](int i) { return std::isnan(logits[i]) ? -std::numeric_limits<float>::infinity() : logits[i]; };
  std::partial_sort(order.begin(), kept, order.end(),
                    [&](int a, int b) { return score(a) != score(b) ? score(a) > score(b) : a < b; });
  double sum = 0;
  for (const float value : logits) sum += std::exp(static_cast<double>(value) - logits[order[0]]);
  std::vector<Guess> result;
  for (auto place = order.begin(); place != kept; ++place) {
    const double probability = std::exp(static_cast<double>(logits[*place]) - logits[order[0]]) / sum;
    result.push_back({*place, impl_->labels[*place], static_cast<float>(probability)});
  }
  return result;
}

}  // namespace resnet
