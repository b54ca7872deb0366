#include "evaluate/recorder.h"

#include <algorithm>
#include <cmath>

namespace resnet {

void PictureKeeper::offer(const PictureVerdict& verdict, std::span<const float> input) {
  const auto place = std::find_if(pictures_.begin(), pictures_.end(), [&](const KeptPicture& kept) {
    return verdict.confidence > kept.verdict.confidence;
  });
  if (place == pictures_.end() && pictures_.size() == count_) return;
  pictures_.insert(place, {verdict, {input.begin(), input.end()}});
  if (pictures_.size() > count_) pictures_.pop_back();
}

PictureVerdict judge(const Judged& picture) {
  int best = -1;
  for (int i = 0; i < static_cast<int>(picture.logits.size()); ++i) {
    if (!std::isnan(picture.logits[i]) && (best < 0 || picture.logits[i] > picture.logits[best])) best = i;
  }
  if (best < 0) best = picture.truth == 0 && picture.logits.size() > 1 ? 1 : 0;  // nonsense is never right
  double sum = 0;
  for (const float value : picture.logits) sum += std::exp(static_cast<double>(value) - picture.logits[best]);
  return {picture.path, picture.truth, best, static_cast<float>(1 / sum)};
}

void Recorder::add(const Judged& picture) {
  const PictureVerdict verdict = judge(picture);
  if (!verdict.right()) mistakes_.offer(verdict, picture.input);
  if (std::isfinite(verdict.confidence)) {
    logits_.insert(logits_.end(), picture.logits.begin(), picture.logits.end());
    truths_.push_back(verdict.truth);
    right_.push_back(verdict.right());
  }
  verdicts_.push_back(verdict);
}

}  // namespace resnet
