// Remembers what a model said of every picture of a data set, for reports and comparisons.
#pragma once

#include <string>
#include <vector>

#include "evaluate/evaluate.h"

namespace resnet {

struct PictureVerdict {
  std::string path;
  int truth = 0;
  int predicted = 0;
  float confidence = 0;  // softmax of the prediction
  bool right() const noexcept { return truth == predicted; }
};

// A verdict whose input is kept, so that it can be looked at again.
struct KeptPicture {
  PictureVerdict verdict;
  std::vector<float> input;
};

// Keeps the pictures of the highest confidence among those it is given.
class PictureKeeper {
 public:
  explicit PictureKeeper(std::size_t count) : count_(count) {}
  void offer(const PictureVerdict& verdict, std::span<const float> input);
  const std::vector<KeptPicture>& pictures() const noexcept { return pictures_; }  // the most confident first

 private:
  std::size_t count_;
  std::vector<KeptPicture> pictures_;
};

// The class of the highest score, ranked as Evaluation::add() ranks.
PictureVerdict judge(const Judged& picture);

class Recorder {
 public:
  explicit Recorder(std::size_t kept_mistakes) : mistakes_(kept_mistakes) {}

  // To be called for each picture.
  void add(const Judged& picture);

  const std::vector<PictureVerdict>& verdicts() const noexcept { return verdicts_; }
  const std::vector<KeptPicture>& mistakes() const noexcept { return mistakes_.pictures(); }

  // A row of class scores, and the class, of each picture whose scores are numbers.
  const std::vector<float>& logits() const noexcept { return logits_; }
  const std::vector<int>& truths() const noexcept { return truths_; }
  const std::vector<bool>& right() const noexcept { return right_; }

 private:
  std::vector<PictureVerdict> verdicts_;
  PictureKeeper mistakes_;
  std::vector<float> logits_;
  std::vector<int> truths_;
  std::vector<bool> right_;
};

}  // namespace resnet
