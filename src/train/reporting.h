// What people are told of a run while it goes on, in each of its processes: progress, epochs, bad pictures.
#pragma once

#include <chrono>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "dataset/loader.h"
#include "image/notices.h"
#include "resnet/train.h"
#include "train/position.h"

namespace resnet {

class Reporting {
 public:
  // An epoch has so many batches. Keeps `hooks`.
  Reporting(const TrainHooks& hooks, std::int64_t epochs, std::int64_t batches)
      : hooks_(hooks), epochs_(epochs), batches_(batches) {}

  void notice(const std::string& text) const;

  // Each unreadable picture once; in rank 0 also what becomes of pictures otherwise than in torchvision. And how many
  // pictures an epoch left out.
  void note_pictures(const Batch& batch, const ImageSet& images, bool is_first);
  void note_skipped(const Loader& loader, std::int64_t epoch);

  // Before the first step.
  void show_plan(const std::vector<PlanLine>& plan) const;
  void show_look(std::int64_t seen, std::size_t pictures) const;

  // In this process.
  bool is_stop_asked() const { return hooks_.stop && hooks_.stop(); }

  // Learning begins, or goes on: what is left is estimated from here on.
  void begin_epoch();
  void show_batch(const Position& at);
  void set_validation_seconds(double seconds) { validation_seconds_ = seconds; }  // of an epoch
  void show_epoch(const EpochRecord& record) const;

 private:
  using Clock = std::chrono::steady_clock;

  const TrainHooks& hooks_;
  const std::int64_t epochs_, batches_;
  Clock::time_point begin_;
  std::int64_t shown_ = 0;  // batches since
  double validation_seconds_ = 0;
  std::set<std::string> noted_;  // bad pictures
  PictureNotices notices_;
  std::uint64_t skipped_ = 0;  // of them, in the epochs before
};

}  // namespace resnet
