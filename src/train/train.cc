// train(): the epochs of a run.
#include "resnet/train.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "journal/history.h"
#include "recipe/schedule.h"
#include "train/makers.h"
#include "train/position.h"
#include "train/reporting.h"
#include "train/run_files.h"
#include "train/same_run.h"
#include "train/settled_task.h"

namespace resnet {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

class Run {
 public:
  Run(const TrainOptions& options, const TrainHooks& hooks, Processes& processes)
      : processes_(processes),
        task_(settled_task(options, processes)),
        recipe_(task_.recipe),
        learner_(make_learner(task_, processes)),
        loader_(task_.data.train, training_loader(task_)),
        steps_per_epoch_(static_cast<std::int64_t>(loader_.batches()) / recipe_.accumulate),
        reporting_(hooks, recipe_.epochs, batches()) {
    if (task_.data.val.size() > 0) validation_.emplace(task_.data.val, validation_loader(task_));
    if (steps_per_epoch_ == 0) {
      fail(ErrorCode::kInvalidArgument, recipe_.place("accumulate"), "an epoch has only {} batches", loader_.batches());
    }
    if (processes_.several()) processes_.check_alike("task", describe_run(task_));
    if (processes_.is_first()) open_files(options);
    look_at_validation();
    if (files_) begin_files();
    share_position();
  }

  TrainResult run() {
    TrainEnd end = is_patience_over() ? TrainEnd::kEarly : TrainEnd::kFinished;
    if (files_ && end == TrainEnd::kFinished && at_.epoch < recipe_.epochs) {
      reporting_.show_plan(files_->plan(steps_per_epoch_));
    }
    while (end == TrainEnd::kFinished && at_.epoch < recipe_.epochs) {
      reporting_.begin_epoch();
      if (!learn_epoch() || !finish_epoch()) {
        end = TrainEnd::kStopped;
        save_checkpoint();
      } else if (is_patience_over()) {
        end = TrainEnd::kEarly;
      }
    }
    return {end,
            at_.history,
            at_.best_epoch,
            at_.best_top1,
            at_.best_is_ema,
            files_ ? files_->best() : "",
            files_ ? files_->checkpoint() : ""};
  }

 private:
  std::int64_t batches() const { return steps_per_epoch_ * recipe_.accumulate; }
  bool is_stop_asked() const { return processes_.any(reporting_.is_stop_asked()); }
  bool is_patience_over() const {
    return recipe_.patience > 0 && at_.best_epoch > 0 && at_.epoch - at_.best_epoch >= recipe_.patience;
  }

  // The one that was learned from last, for errors.
  std::string last_batch() const {
    const bool next_epoch = at_.batch == 0;  // where an epoch is over, the position is that of the next one
    return fmt::format("batch {} of epoch {}", next_epoch ? batches() : at_.batch, at_.epoch + (next_epoch ? 0 : 1));
  }

  // What would end the run behind its first epoch ends it now.
  void look_at_validation() {
    if (!validation_) return;
    std::int64_t good = 0, seen = 0;
    while (!reporting_.is_stop_asked()) {
      const auto batch = validation_->next();
      if (!batch) break;
      reporting_.note_pictures(*batch, task_.data.val, processes_.is_first());
      good += static_cast<std::int64_t>(batch->size);
      seen += static_cast<std::int64_t>(batch->size + batch->bad.size());
      reporting_.show_look(seen * processes_.size(), task_.data.val.size());
    }
    const bool stopped = processes_.any(reporting_.is_stop_asked());
    const bool any_good = processes_.any(good > 0);
    if (!any_good && !stopped) {
      fail(ErrorCode::kFormat, "validation", "none of its pictures could be read");
    }
  }

  // For errors; rank 0 alone knows.
  std::string newest_checkpoint() const {
    if (!files_) return "";
    return "; the newest checkpoint is " + (files_->checkpoint().empty() ? "none" : files_->checkpoint());
  }

  void open_files(const TrainOptions& options) {
    for (const std::string& notice : task_.notices) reporting_.notice(notice);
    files_.emplace(options, task_);
    files_->check_room();
  }

  // Goes on with what lies there.
  void begin_files() {
    const auto notice = [this](const std::string& text) { reporting_.notice(text); };
    if (const auto position = files_->restore(*learner_, batches(), notice)) {
      at_ = *position;
      const std::string& path = files_->checkpoint();
      notice(at_.epoch >= recipe_.epochs ? fmt::format("{} is that of the last epoch", path)
                                         : fmt::format("goes on from {}: epoch {} of {}, batch {} of {}", path,
                                                       at_.epoch + 1, recipe_.epochs, at_.batch, batches()));
    }
    files_->note_run();
    files_->begin_events(learner_->steps());
  }

  // All processes begin where rank 0 does.
  void share_position() {
    if (!processes_.several()) return;
    Checkpoint checkpoint;
    at_.step = learner_->steps();
    at_.put_into(checkpoint, task_.graph.architecture, task_.classes, task_.preprocessing);
    checkpoint.values = nlohmann::json::parse(processes_.broadcast(nlohmann::json(checkpoint.values).dump()))
                            .get<std::map<std::string, std::string>>();
    at_ = Position::from(checkpoint, task_.graph.architecture, task_.classes, "rank 0");
    learner_->share(at_.step);
  }

  void save_checkpoint() {
    if (!learner_->is_finite()) {
      fail(ErrorCode::kInvalidArgument, fmt::format("step {}", learner_->steps()),
           "a weight or what is kept beside the weights is no longer a finite number after {}, at learning rate {}; "
           "nothing was saved{}",
           last_batch(), learning_rate(recipe_, std::max<std::int64_t>(learner_->steps() - 1, 0), steps_per_epoch_),
           newest_checkpoint());
    }
    if (!files_) return;
    at_.step = learner_->steps();
    at_.loss_scale = learner_->loss_scale();
    files_->save(at_, *learner_);
  }

  // False where the hook asked to stop; the position is then that of the next batch.
  bool learn_epoch() {
    loader_.start(static_cast<std::uint64_t>(at_.epoch), static_cast<std::size_t>(at_.batch));
    while (at_.batch < batches()) {
      learn_batch();
      const bool stepped = at_.batch % recipe_.accumulate == 0;
      if (!stepped) continue;
      if (is_stop_asked()) return false;
      const bool due = recipe_.checkpoint_steps > 0 && learner_->steps() % recipe_.checkpoint_steps == 0;
      if (due && at_.batch < batches()) save_checkpoint();
    }
    return true;
  }

  void learn_batch() {
    const Clock::time_point begin = Clock::now();
    const auto batch = loader_.next();
    RESNET_ASSERT(batch);
    reporting_.note_pictures(*batch, task_.data.train, processes_.is_first());
    const double lr = learning_rate(recipe_, learner_->steps(), steps_per_epoch_);
    const BatchResult result = learner_->learn(*batch, at_.epoch * batches() + at_.batch);
    if (!std::isfinite(result.loss)) {
      fail(ErrorCode::kInvalidArgument, fmt::format("step {}", learner_->steps() + 1),
           "the loss is {} in batch {} of epoch {}, at learning rate {}{}", result.loss, at_.batch + 1, at_.epoch + 1,
           lr, newest_checkpoint());
    }
    if (result.images == 0 && processes_.is_first()) {
      reporting_.notice(
          fmt::format("epoch {}: batch {} is left out: too few of its pictures can be read to learn from it",
                      at_.epoch + 1, at_.batch + 1));
    }
    at_.add_batch(result.loss, result.right, result.images);
    if (at_.batch % recipe_.accumulate == 0) learner_->step(lr);
    if (files_) files_->add_event("loss", learner_->steps(), result.loss);
    at_.seconds += seconds_since(begin);
    reporting_.show_batch(at_);
  }

  // Validates, keeps the best, writes everything down. False where the hook asked to stop meanwhile.
  bool finish_epoch() {
    if (at_.images == 0) fail(ErrorCode::kFormat, recipe_.data, "no picture of epoch {} could be read", at_.epoch + 1);
    reporting_.note_skipped(loader_, at_.epoch + 1);
    EpochRecord record;
    record.epoch = at_.epoch + 1;
    record.step = learner_->steps();
    record.lr = learning_rate(recipe_, learner_->steps() - 1, steps_per_epoch_);
    record.train_loss = at_.mean_loss();
    record.train_top1 = at_.top1();
    record.images_per_second = at_.images_per_second();
    const Clock::time_point begin = Clock::now();
    if (!validate_into(record)) return false;
    const double validation_seconds = validation_ ? seconds_since(begin) : 0;
    reporting_.set_validation_seconds(validation_seconds);
    record.seconds = at_.seconds + validation_seconds;
    keep_best(record);
    at_.history.push_back(record);
    at_.start_epoch(at_.epoch + 1);
    save_checkpoint();
    if (files_) write_down(record);
    reporting_.show_epoch(record);
    return true;
  }

  void write_down(const EpochRecord& record) {
    files_->write_report(at_);
    for (const RecordField& field : record_fields()) {
      if (!field.whole) files_->add_event(field.name, record.step, field.get(record));
    }
  }

  bool validate_into(EpochRecord& record) {
    if (!validation_) return true;
    const auto go_on = [this](const Batch& batch) {
      reporting_.note_pictures(batch, task_.data.val, processes_.is_first());
      return !reporting_.is_stop_asked();
    };
    const auto score = learner_->evaluate(*validation_, false, go_on);
    if (!score) return false;
    if (score->images == 0) fail(ErrorCode::kFormat, "validation", "none of its pictures could be read");
    record.val_loss = score->loss;
    record.val_top1 = score->top1();
    record.val_top5 = score->top5();
    if (!learner_->averages()) return true;
    const auto averaged = learner_->evaluate(*validation_, true, go_on);
    if (!averaged) return false;
    record.ema_loss = averaged->loss;
    record.ema_top1 = averaged->top1();
    record.ema_top5 = averaged->top5();
    return true;
  }

  // Without validation the newest is the best.
  void keep_best(const EpochRecord& record) {
    const bool averaged = validation_ ? record.ema_top1 >= record.val_top1 : learner_->averages();
    const double top1 = averaged ? record.ema_top1 : record.val_top1;
    if (validation_ && at_.best_epoch > 0 && !(top1 > at_.best_top1)) return;
    if (!learner_->is_finite()) return;  // save_checkpoint() says so
    at_.best_epoch = record.epoch;
    at_.best_top1 = top1;
    at_.best_is_ema = averaged;
    if (files_) files_->save_best(learner_->model(averaged), at_);
  }

  Processes& processes_;
  Task task_;
  const Recipe& recipe_;
  std::unique_ptr<Learner> learner_;
  Loader loader_;
  std::optional<Loader> validation_;
  const std::int64_t steps_per_epoch_;
  Reporting reporting_;
  std::optional<RunFiles> files_;  // in rank 0 alone
  Position at_;
};

TrainResult train_with(Processes& processes, const TrainOptions& options, const TrainHooks& hooks) {
  try {
    validate(options.recipe);
    check_device(options.recipe);
    return Run(options, hooks, processes).run();
  } catch (const Error& error) {
    processes.leave(error.what());
    throw;
  } catch (const std::bad_alloc&) {
    processes.leave("out of memory");
    throw;
  } catch (const std::exception& error) {
    if (processes.several()) processes.explain(error);
    explain_failure(error, options.recipe);
    throw;
  }
}

}  // namespace

TrainResult train(const TrainOptions& options, const TrainHooks& hooks) {
  if (options.worker.world_size == 1) {
    const auto alone = make_processes(options.worker);
    return train_with(*alone, options, hooks);
  }
  try {
    const auto processes = make_processes(options.worker);
    return train_with(*processes, options, hooks);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("rank {}", options.worker.rank), error.what());
  }
}

}  // namespace resnet
