#include "train/program/study_budget.h"

namespace resnet::cli {

std::size_t StudyBudget::add(std::int64_t macs, std::int64_t epochs_left) {
  runs_.push_back({static_cast<double>(macs), epochs_left});
  return runs_.size() - 1;
}

void StudyBudget::finish_epoch(std::size_t run, double seconds, std::int64_t epochs_left) {
  seconds_ += seconds;
  macs_ += runs_[run].macs;
  runs_[run].epochs_left = epochs_left;
}

double StudyBudget::seconds_left() const {
  if (macs_ == 0) return 0;
  double left = 0;
  for (const Run& run : runs_) left += run.macs * static_cast<double>(run.epochs_left);
  return left * seconds_ / macs_;
}

}  // namespace resnet::cli
