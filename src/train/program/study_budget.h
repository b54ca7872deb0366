// How long a study still takes, from what its epochs took so far.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace resnet::cli {

// Networks differ in size: an epoch's time is taken to be in proportion to the multiply-accumulates of its network.
class StudyBudget {
 public:
  // A run in a network of `macs` a picture, with so many epochs to do; gives its number.
  std::size_t add(std::int64_t macs, std::int64_t epochs_left);

  // An epoch of the run is over, and so many are left.
  void finish_epoch(std::size_t run, double seconds, std::int64_t epochs_left);

  // The run is over, sooner perhaps than after all its epochs.
  void finish(std::size_t run) { runs_[run].epochs_left = 0; }

  // Of all runs together; 0 before the first epoch is over.
  double seconds_left() const;

 private:
  struct Run {
    double macs;
    std::int64_t epochs_left;
  };
  std::vector<Run> runs_;
  double seconds_ = 0, macs_ = 0;  // of the epochs that are over
};

}  // namespace resnet::cli
