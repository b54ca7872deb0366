#include "evaluate/evaluate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "evaluate/picture.h"

namespace resnet {
namespace {

// -log softmax(logits)[truth], shifted by the maximum so that nothing overflows.
double cross_entropy(std::span<const float> logits, int truth) {
  const double highest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float value : logits) sum += std::exp(value - highest);
  return std::log(sum) + highest - logits[truth];
}

// How many classes score higher.
int rank(std::span<const float> logits, int truth) {
  int higher = 0;
  for (int i = 0; i < static_cast<int>(logits.size()); ++i) {
    const bool beaten = logits[truth] > logits[i] || (logits[truth] == logits[i] && truth <= i);
    if (!beaten) ++higher;
  }
  return higher;
}

class Batch {
 public:
  Batch(const Classifier& classifier, Evaluation& result) : classifier_(classifier), result_(result) {}

  int size() const { return static_cast<int>(truths_.size()); }

  void add(const std::vector<float>& picture, int truth) {
    values_.insert(values_.end(), picture.begin(), picture.end());
    truths_.push_back(truth);
  }

  void run() {
    if (truths_.empty()) return;
    const Preprocessing& how = classifier_.preprocessing();
    const std::vector<float> logits =
        classifier_.logits(values_, {size(), classifier_.architecture().in_channels, how.height, how.width});
    const std::size_t classes = logits.size() / truths_.size();
    for (std::size_t i = 0; i < truths_.size(); ++i) {
      result_.add(std::span(logits).subspan(i * classes, classes), truths_[i]);
    }
    values_.clear();
    truths_.clear();
  }

 private:
  const Classifier& classifier_;
  Evaluation& result_;
  std::vector<float> values_;
  std::vector<int> truths_;
};

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
  const auto start = std::chrono::steady_clock::now();
  Evaluation result;
  Batch batch(classifier, result);
  PictureReader reader(classifier, source, options.decode, options.batch);
  std::int64_t seen = 0;
  while (options.limit < 0 || seen < options.limit) {
    const auto picture = reader.next();
    if (!picture) break;
    ++seen;
    if (picture->error) {
      if (!options.skip_bad) throw *picture->error;
      ++result.skipped;
      if (options.skipped) options.skipped(*picture->error);
      continue;
    }
    batch.add(*picture->value, classes.at(picture->label));
    if (batch.size() == options.batch) {
      batch.run();
      if (options.progress) options.progress(seen);
    }
  }
  batch.run();
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace resnet
