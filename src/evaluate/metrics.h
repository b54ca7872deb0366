// Counting right and wrong answers: intervals, the confusion matrix and what follows from it, the test of two models.
#pragma once

#include <cstdint>
#include <vector>

namespace resnet {

struct Interval {
  double low = 0, high = 0;
};

// The 95 % interval of a share of which `right` out of `of` were seen (Wilson 1927, "Probable inference, the law of
// succession, and statistical inference"). 0 to 1 where nothing was seen.
Interval wilson_interval(std::int64_t right, std::int64_t of);

// The probability, were both models equally good, of a split at least as uneven as `only_a` pictures that only the
// first has right and `only_b` that only the second has (McNemar 1947; exact, two-sided: a binomial test of one half).
double mcnemar_p_value(std::int64_t only_a, std::int64_t only_b);

struct ClassScore {
  std::int64_t images = 0;     // of the class
  std::int64_t predicted = 0;  // taken for it
  std::int64_t right = 0;
  double precision = 0;  // right / predicted; 0 where nothing is divided by
  double recall = 0;     // right / images, likewise
  double f1 = 0;         // 2 right / (predicted + images), likewise
};

struct ConfusedPair {
  int truth = 0;
  int predicted = 0;
  std::int64_t count = 0;
};

// How often pictures of one class were taken for another.
class Confusion {
 public:
  explicit Confusion(int classes);

  void add(int truth, int predicted) { ++counts_[index(truth, predicted)]; }

  int classes() const noexcept { return classes_; }
  std::int64_t at(int truth, int predicted) const { return counts_[index(truth, predicted)]; }

  std::vector<ClassScore> scores() const;

  // All that occurred and were wrong, the most frequent first.
  std::vector<ConfusedPair> mistakes() const;

 private:
  std::size_t index(int truth, int predicted) const {
    return static_cast<std::size_t>(truth) * static_cast<std::size_t>(classes_) + static_cast<std::size_t>(predicted);
  }

  int classes_;
  std::vector<std::int64_t> counts_;
};

}  // namespace resnet
