#include "evaluate/evaluate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "evaluate/input.h"
#include "model/answer.h"

namespace resnet {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// -log softmax(logits)[truth], shifted by the maximum so that nothing overflows.
double cross_entropy(std::span<const float> logits, int truth) {
  const double highest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float value : logits) sum += std::exp(value - highest);
  return std::log(sum) + highest - logits[truth];
}

// How many classes score higher; all others where the class has no number.
int rank(std::span<const float> logits, int truth) {
  int higher = 0;
  for (int i = 0; i < static_cast<int>(logits.size()); ++i) {
    if (i == truth) continue;
    const bool beaten = !std::isnan(logits[truth]) && (std::isnan(logits[i]) || logits[truth] > logits[i] ||
                                                       (logits[truth] == logits[i] && truth < i));
    if (!beaten) ++higher;
  }
  return higher;
}

// Pictures that will run through the network together.
class Batch {
 public:
  Batch(const Classifier& classifier, const EvaluateOptions& options) : classifier_(classifier), options_(options) {}

  int size() const { return static_cast<int>(truths_.size()); }

  void add(const std::string& path, const Input& picture, int truth) {
    paths_.push_back(path);
    values_.insert(values_.end(), picture.values.begin(), picture.values.end());
    truths_.push_back(truth);
  }

  // Adds what comes out to `result`, and is empty again.
  void run(Evaluation& result) {
    if (truths_.empty()) return;
    FeatureShape shape = classifier_.input_shape();
    shape.batch = size();
    if (shape.batch > prepared_) classifier_.engine().prepare(shape);  // planning and packing weights is no speed
    prepared_ = std::max(prepared_, shape.batch);
    const auto start = Clock::now();
    const std::vector<float> logits = classifier_.logits(values_, shape);
    result.network_seconds += seconds_since(start);
    const std::size_t classes = logits.size() / truths_.size();
    const std::size_t each = values_.size() / truths_.size();
    for (std::size_t i = 0; i < truths_.size(); ++i) {
      const std::span<const float> row = std::span(logits).subspan(i * classes, classes);
      if (!options_.allow_nonfinite) check_answer(row, paths_[i]);
      result.add(row, truths_[i]);
      if (options_.judged) options_.judged({paths_[i], truths_[i], row, std::span(values_).subspan(i * each, each)});
    }
    paths_.clear();
    values_.clear();
    truths_.clear();
  }

 private:
  const Classifier& classifier_;
  const EvaluateOptions& options_;
  std::vector<std::string> paths_;
  std::vector<float> values_;
  std::vector<int> truths_;
  std::int64_t prepared_ = 0;  // pictures that the engine is ready for at a time
};

// An array may have any size, but an evaluation's pictures have one.
void check_shape(const Classifier& classifier, InputReader::Result& item) {
  const FeatureShape expected = classifier.input_shape();
  if (!item.value || item.value->shape == expected) return;
  item.error =
      Error(ErrorCode::kMismatch, item.path,
            fmt::format("an array that is not 1x{}x{}x{}", expected.channels, expected.height, expected.width));
}

}  // namespace

void Evaluation::add(std::span<const float> logits, int truth) {
  const int place = rank(logits, truth);
  wrong_top1 += place >= 1;
  wrong_top5 += place >= 5;
  ++images;
  loss += (cross_entropy(logits, truth) - loss) / static_cast<double>(images);
}

Evaluation evaluate(const Classifier& classifier, Source& source, const ClassMap& classes,
                    const EvaluateOptions& options) {
  const auto start = Clock::now();
  Evaluation result;
  Batch batch(classifier, options);
  InputReader reader(classifier, source, options.decode, options.batch);
  std::int64_t seen = 0;
  while (options.limit < 0 || seen < options.limit) {
    auto item = reader.next();
    if (!item) break;
    ++seen;
    check_shape(classifier, *item);
    if (item->error) {
      if (!options.skip_bad) throw Error(*item->error);
      ++result.skipped;
      if (options.skipped) options.skipped(*item->error);
      continue;
    }
    if (options.noted) options.noted(item->path, item->value->notes);
    batch.add(item->path, *item->value, classes.at(item->label));
    if (batch.size() < options.batch) continue;
    batch.run(result);
    if (options.progress) options.progress(seen);
  }
  batch.run(result);
  if (options.progress) options.progress(seen);
  result.seconds = seconds_since(start);
  return result;
}

JsonObject to_json(const Evaluation& evaluation) {
  return {{"images", evaluation.images},         {"top1", evaluation.top1()},
          {"top5", evaluation.top5()},           {"wrong_top1", evaluation.wrong_top1},
          {"wrong_top5", evaluation.wrong_top5}, {"loss", evaluation.loss},
          {"skipped", evaluation.skipped},       {"images_per_second", evaluation.images_per_second()}};
}

}  // namespace resnet
