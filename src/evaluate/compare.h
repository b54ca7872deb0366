// Two models side by side on the same pictures: is one better, and where do they differ?
#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "console/json.h"
#include "evaluate/metrics.h"
#include "evaluate/model_card.h"
#include "evaluate/recorder.h"

namespace resnet {

// How many pictures a page shows of each kind.
inline constexpr std::size_t kShownDifferences = 12;

struct ComparedModel {
  ModelCard card;
  Evaluation evaluation;
  std::vector<ClassScore> scores;  // one per class
};

struct Comparison {
  std::string data;
  std::vector<std::string> labels;
  ComparedModel a, b;
  std::int64_t both_right = 0, only_a = 0, only_b = 0, both_wrong = 0;  // pictures that both models classified
  std::int64_t same_answer = 0;
  double p_value = 1;                       // McNemar's test
  std::vector<PictureVerdict> differences;  // pictures that one of them has right, with b's verdict
};

// Compares what the second model says with the verdicts of the first, as it goes.
class Comparer {
 public:
  // `verdicts`: a's, of the same data, with b's numbers of the classes.
  explicit Comparer(const std::vector<PictureVerdict>& verdicts);

  // To be called for each picture of b's run. Throws kMismatch where the two take its class for different ones.
  void add(const Judged& picture);

  // Fills in the counts, the test and the differences.
  void finish(Comparison& comparison) const;

  const std::vector<PictureVerdict>& verdicts() const noexcept { return verdicts_; }
  const std::vector<KeptPicture>& only_b_wrong() const noexcept { return only_b_wrong_.pictures(); }
  const std::vector<KeptPicture>& only_a_wrong() const noexcept { return only_a_wrong_.pictures(); }
  const PictureVerdict& of_a(const std::string& path) const { return *first_.at(path); }

 private:
  std::unordered_map<std::string, const PictureVerdict*> first_;
  std::vector<PictureVerdict> verdicts_;
  PictureKeeper only_b_wrong_{kShownDifferences};
  PictureKeeper only_a_wrong_{kShownDifferences};
  Comparison counts_;
};

std::vector<ClassScore> class_scores(const std::vector<PictureVerdict>& verdicts, int classes);

// Which of the two is better, in a sentence without its full stop; that the difference may be chance where McNemar's
// test gives it 5 % or more.
std::string verdict_of(const Comparison& comparison);

// The names in docs/json.md.
JsonObject to_json(const Comparison& comparison);

// The page; `b` is the second model, which looks at the pictures that are shown.
std::string comparison_page(const Comparison& comparison, const Comparer& comparer, const Classifier& b);

}  // namespace resnet
