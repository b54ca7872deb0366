// How far a run is, beside the weights: what a checkpoint holds as text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "journal/checkpoints.h"
#include "resnet/architecture.h"
#include "resnet/epoch_record.h"
#include "resnet/preprocessing.h"

namespace resnet {

struct Position {
  std::int64_t epoch = 0;  // from 0
  std::int64_t batch = 0;  // the next one of the epoch
  std::int64_t step = 0;   // steps taken
  double loss_scale = 1;

  // Sums of the epoch so far.
  double loss_sum = 0;
  std::int64_t right = 0, images = 0;
  double seconds = 0;

  std::int64_t best_epoch = 0;  // from 1; 0: none
  double best_top1 = EpochRecord::kNone;
  bool best_is_ema = false;
  std::vector<EpochRecord> history;

  void start_epoch(std::int64_t number);

  // One more batch of the epoch: the mean of its losses, the pictures that were right, all of them.
  void add_batch(double loss, std::int64_t right_ones, std::int64_t pictures);

  // Over the epoch so far.
  double mean_loss() const;
  double top1() const;
  double images_per_second() const { return seconds > 0 ? static_cast<double>(images) / seconds : 0; }

  // With the network, the names of the classes in the order of its outputs, and how pictures are prepared: what
  // load_model() needs to take the checkpoint for a model.
  void put_into(Checkpoint& checkpoint, const Architecture& architecture, const std::vector<std::string>& classes,
                const Preprocessing& preprocessing) const;

  // Throws kFormat for a checkpoint that is none of a run, kMismatch for one of another network or of other classes;
  // the place is `where`.
  static Position from(const Checkpoint& checkpoint, const Architecture& architecture,
                       const std::vector<std::string>& classes, const std::string& where);
};

}  // namespace resnet
