// What a run leaves in its folder: recipe, checkpoints, the best model, metrics, event files, report. Rank 0 alone has
// one.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "journal/checkpoints.h"
#include "journal/event_file.h"
#include "journal/run_folder.h"
#include "resnet/train.h"
#include "train/data_record.h"
#include "train/learner.h"
#include "train/position.h"

namespace resnet {

class RunFiles {
 public:
  using Notice = std::function<void(const std::string&)>;

  // Makes or opens the folder. Throws what RunFolder and check_same_recipe() throw. Keeps `task`.
  RunFiles(const TrainOptions& options, const Task& task);

  std::string best() const { return folder_.best(); }

  // Of the newest checkpoint; empty where there is none.
  const std::string& checkpoint() const noexcept { return checkpoint_; }

  // Takes the newest checkpoint that is whole into the learner and gives its position; nothing where there is none.
  // `notice` is told of damaged ones and of pictures in another order. Throws what Position::from() and
  // Learner::restore() throw, and kMismatch where the run was begun with other pictures, or is further into an epoch
  // than `batches`.
  std::optional<Position> restore(Learner& learner, std::int64_t batches, const Notice& notice);

  // Throws what RunFolder::check_room() throws for all that the run is going to write.
  void check_room() const;

  // What the run is going to be, with so many steps an epoch.
  std::vector<PlanLine> plan(std::int64_t steps) const;

  // Writes the recipe and the names of the pictures, for later runs to compare with. Behind restore(), so that a run
  // that is refused stays as it is.
  void note_run() const;

  // A checkpoint of the learner at this position.
  void save(const Position& at, Learner& learner);

  // best.safetensors, which says the epoch, the recipe and, where there was validation, the result.
  void save_best(Model model, const Position& at);

  // metrics.csv and report.html of the epochs so far.
  void write_report(const Position& at) const;

  // An event file for the steps behind `step`; then scalars for it.
  void begin_events(std::int64_t step) { events_.emplace(folder_.path(), step + 1); }
  void add_event(std::string_view name, std::int64_t step, double value) { events_->add(name, step, value); }

 private:
  std::int64_t model_bytes() const;
  std::int64_t checkpoint_bytes() const;
  RunSummary summary(const Position& at) const;
  void check_same_data(const Checkpoint& checkpoint, const std::string& where, const Notice& notice) const;

  const Task& task_;
  const DataRecord data_;
  RunFolder folder_;
  CheckpointFolder checkpoints_;
  std::optional<EventFile> events_;
  std::string checkpoint_;
};

}  // namespace resnet
