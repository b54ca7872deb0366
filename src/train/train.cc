// train(): the epochs of a run, and what they leave behind.
#include "resnet/train.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <span>

#include "base/error.h"
#include "console/numbers.h"
#include "journal/crc32c.h"
#include "journal/event_file.h"
#include "journal/history.h"
#include "journal/run_folder.h"
#include "recipe/keys.h"
#include "recipe/schedule.h"
#include "train/learner.h"
#include "train/position.h"
#include "weights/metadata.h"

namespace resnet {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// What a run may be continued with although it was begun with something else: where things are, and how often it saves.
bool may_change(std::string_view key) {
  for (const char* free : {"data", "val", "device", "threads", "cache_megabytes", "checkpoint_steps", "keep"}) {
    if (key == free) return true;
  }
  return false;
}

// The other way to go on, which keeps the weights alone; not for what makes another network of them.
std::string other_way(const RunFolder& folder, const Key& key) {
  const bool weights = key.group != "Network" && std::filesystem::exists(folder.best());
  return fmt::format("begin a new run{} in another --out", weights ? " with --from " + folder.best() : "");
}

void check_same_recipe(const Recipe& recipe, const RunFolder& folder) {
  const Recipe begun = read_recipe(folder.recipe());
  for (const Key& key : recipe_keys()) {
    const std::string now = toml_value(recipe, key);
    const std::string then = toml_value(begun, key);
    if (now == then || may_change(key.name)) continue;
    fail(ErrorCode::kInvalidArgument, recipe.place(key.name),
         "{}, but the run was begun with {} ({}), and --resume goes on as it was begun; {}", now, then, folder.recipe(),
         other_way(folder, key));
  }
}

class Run {
 public:
  Run(const TrainOptions& options, const TrainHooks& hooks, Processes& processes)
      : hooks_(hooks),
        processes_(processes),
        task_(make_task(options.recipe, options.worker)),
        recipe_(task_.recipe),
        learner_(task_, processes),
        loader_(task_.data.train, training_loader(task_)) {
    if (task_.data.val.size() > 0) validation_.emplace(task_.data.val, validation_loader(task_));
    steps_per_epoch_ = static_cast<std::int64_t>(loader_.batches()) / recipe_.accumulate;
    if (steps_per_epoch_ == 0) {
      fail(ErrorCode::kInvalidArgument, recipe_.place("accumulate"), "an epoch has only {} batches", loader_.batches());
    }
    if (processes_.several()) processes_.check_alike("task", description());
    if (!task_.notice.empty() && processes_.is_first()) notice(task_.notice);
    if (processes_.is_first()) open_folder(options);
    share_position();
  }

  TrainResult run() {
    TrainEnd end = is_patience_over() ? TrainEnd::kEarly : TrainEnd::kFinished;
    while (end == TrainEnd::kFinished && at_.epoch < recipe_.epochs) {
      session_ = Clock::now();
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
            folder_ ? folder_->best() : "",
            checkpoint_path_};
  }

 private:
  void notice(const std::string& text) const {
    if (hooks_.notice) hooks_.notice(text);
  }
  // Each picture once.
  void note_bad(const Batch& batch) {
    for (const BadImage& bad : batch.bad) {
      if (noted_.insert(bad.error).second) notice(bad.error);
    }
  }
  void note_skipped() {
    const std::uint64_t skipped = loader_.skipped() - skipped_;
    skipped_ = loader_.skipped();
    if (skipped > 0) notice(fmt::format("epoch {}: unreadable pictures left out: {}", at_.epoch + 1, skipped));
  }
  bool is_stop_asked() const { return processes_.any(hooks_.stop && hooks_.stop()); }
  bool is_patience_over() const {
    return recipe_.patience > 0 && at_.best_epoch > 0 && at_.epoch - at_.best_epoch >= recipe_.patience;
  }
  std::int64_t batches() const { return steps_per_epoch_ * recipe_.accumulate; }

  // What must be the same in all processes.
  std::string description() const {
    std::string text;
    for (const Key& key : recipe_keys()) {
      if (!may_change(key.name)) text += fmt::format("{} = {}\n", key.name, toml_value(recipe_, key));
    }
    return text + fmt::format("classes = {}\npreprocessing = {}\npictures to learn from = {}\nto validate with = {}\n",
                              fmt::join(task_.classes, ", "), to_json(task_.preprocessing).dump(),
                              content(task_.data.train), content(task_.data.val));
  }

  // How many pictures, and a number made of their labels and names in their order.
  static std::string content(const ImageSet& images) {
    std::uint32_t checksum = 0;
    for (std::size_t i = 0; i < images.size(); ++i) {
      const std::string path = images.path(i);  // which may lie elsewhere on other machines
      const std::string line = fmt::format("{} {}\n", images.label(i), path.substr(path.rfind('/') + 1));
      checksum = crc32c(checksum, std::as_bytes(std::span(line)));
    }
    return fmt::format("{} ({:08x})", images.size(), checksum);
  }

  // The one that was learned from last, for errors.
  std::string last_batch() const {
    const bool next_epoch = at_.batch == 0;  // where an epoch is over, the position is that of the next one
    return fmt::format("batch {} of epoch {}", next_epoch ? batches() : at_.batch, at_.epoch + (next_epoch ? 0 : 1));
  }

  // For errors; rank 0 alone knows.
  std::string newest_checkpoint() const {
    if (!processes_.is_first()) return "";
    return "; the newest checkpoint is " + (checkpoint_path_.empty() ? "none" : checkpoint_path_);
  }

  void open_folder(const TrainOptions& options) {
    folder_.emplace(options.out, options.resume);
    checkpoints_.emplace(folder_->checkpoints(), recipe_.keep);
    if (folder_->holds_run() && std::filesystem::exists(folder_->recipe())) {
      check_same_recipe(recipe_, *folder_);
    }
    folder_->write_recipe(recipe_);
    checkpoints_->remove_unfinished();
    restore();
    events_.emplace(folder_->path(), learner_.steps() + 1);
  }

  // All processes begin where rank 0 does.
  void share_position() {
    if (!processes_.several()) return;
    Checkpoint checkpoint;
    at_.step = learner_.steps();
    at_.put_into(checkpoint, task_.graph.architecture, task_.classes, task_.preprocessing);
    checkpoint.values = nlohmann::json::parse(processes_.broadcast(nlohmann::json(checkpoint.values).dump()))
                            .get<std::map<std::string, std::string>>();
    at_ = Position::from(checkpoint, task_.graph.architecture, task_.classes, "rank 0");
    learner_.share(at_.step);
  }

  void restore() {
    const auto found = checkpoints_->newest();
    if (!found) return;
    for (const std::string& damaged : found->damaged) notice(damaged);
    at_ = Position::from(found->checkpoint, task_.graph.architecture, task_.classes, found->path);
    if (at_.batch > batches()) {
      fail(ErrorCode::kMismatch, found->path, "is {} batches into an epoch; now an epoch has {}", at_.batch, batches());
    }
    learner_.restore(found->checkpoint.tensors, at_.step, found->path);
    learner_.set_loss_scale(at_.loss_scale);
    checkpoint_path_ = found->path;
    folder_->write_report(summary());
    if (at_.epoch >= recipe_.epochs) return notice(fmt::format("{} is that of the last epoch", found->path));
    notice(fmt::format("goes on from {}: epoch {} of {}, batch {} of {}", found->path, at_.epoch + 1, recipe_.epochs,
                       at_.batch, batches()));
  }

  void save_checkpoint() {
    if (!learner_.is_finite()) {
      fail(ErrorCode::kInvalidArgument, fmt::format("step {}", learner_.steps()),
           "a weight or what is kept beside the weights is no longer a finite number after {}, at learning rate {}; "
           "nothing was saved{}",
           last_batch(), learning_rate(recipe_, std::max<std::int64_t>(learner_.steps() - 1, 0), steps_per_epoch_),
           newest_checkpoint());
    }
    if (!processes_.is_first()) return;
    at_.step = learner_.steps();
    at_.loss_scale = learner_.loss_scale();
    Checkpoint checkpoint;
    at_.put_into(checkpoint, task_.graph.architecture, task_.classes, task_.preprocessing);
    learner_.save(checkpoint.tensors);
    checkpoint_path_ = checkpoints_->save(checkpoint, at_.step);
  }

  // False where the hook asked to stop; the position is then that of the next batch.
  bool learn_epoch() {
    loader_.start(static_cast<std::uint64_t>(at_.epoch), static_cast<std::size_t>(at_.batch));
    session_batches_ = 0;
    while (at_.batch < batches()) {
      learn_batch();
      const bool stepped = at_.batch % recipe_.accumulate == 0;
      if (!stepped) continue;
      if (is_stop_asked()) return false;
      const bool due = recipe_.checkpoint_steps > 0 && learner_.steps() % recipe_.checkpoint_steps == 0;
      if (due && at_.batch < batches()) save_checkpoint();
    }
    return true;
  }

  void learn_batch() {
    const Clock::time_point begin = Clock::now();
    const auto batch = loader_.next();
    RESNET_ASSERT(batch);
    note_bad(*batch);
    const double lr = learning_rate(recipe_, learner_.steps(), steps_per_epoch_);
    const BatchResult result = learner_.learn(*batch, at_.epoch * batches() + at_.batch);
    if (!std::isfinite(result.loss)) {
      fail(ErrorCode::kInvalidArgument, fmt::format("step {}", learner_.steps() + 1),
           "the loss is {} in batch {} of epoch {}, at learning rate {}{}", result.loss, at_.batch + 1, at_.epoch + 1,
           lr, newest_checkpoint());
    }
    if (result.images == 0 && processes_.is_first()) {
      notice(fmt::format("epoch {}: batch {} is left out: too few of its pictures can be read to learn from it",
                         at_.epoch + 1, at_.batch + 1));
    }
    at_.loss_sum += result.loss * static_cast<double>(result.images);
    at_.right += result.right;
    at_.images += result.images;
    ++at_.batch;
    if (at_.batch % recipe_.accumulate == 0) learner_.step(lr);
    if (events_) events_->add("loss", learner_.steps(), result.loss);
    at_.seconds += seconds_since(begin);
    ++session_batches_;
    if (hooks_.step) hooks_.step(progress());
  }

  StepProgress progress() const {
    const auto n = static_cast<double>(std::max<std::int64_t>(at_.images, 1));
    const double per_batch = seconds_since(session_) / static_cast<double>(session_batches_);
    const std::int64_t epochs_left = recipe_.epochs - at_.epoch;
    const double batches_left = static_cast<double>(epochs_left * batches() - at_.batch);
    return {at_.epoch + 1,
            recipe_.epochs,
            at_.batch,
            batches(),
            at_.loss_sum / n,
            static_cast<double>(at_.right) / n,
            static_cast<double>(at_.images) / at_.seconds,
            per_batch * batches_left + validation_seconds_ * static_cast<double>(epochs_left)};
  }

  // Validates, keeps the best, writes everything down. False where the hook asked to stop meanwhile.
  bool finish_epoch() {
    if (at_.images == 0) fail(ErrorCode::kFormat, recipe_.data, "no picture of epoch {} could be read", at_.epoch + 1);
    note_skipped();
    EpochRecord record;
    const auto n = static_cast<double>(at_.images);
    record.epoch = at_.epoch + 1;
    record.step = learner_.steps();
    record.lr = learning_rate(recipe_, learner_.steps() - 1, steps_per_epoch_);
    record.train_loss = at_.loss_sum / n;
    record.train_top1 = static_cast<double>(at_.right) / n;
    record.images_per_second = at_.seconds > 0 ? static_cast<double>(at_.images) / at_.seconds : 0;
    if (!validate_into(record)) return false;
    record.seconds = at_.seconds + validation_seconds_;
    keep_best(record);
    at_.history.push_back(record);
    at_.start_epoch(at_.epoch + 1);
    save_checkpoint();
    if (folder_) write_down(record);
    if (hooks_.epoch) hooks_.epoch(record);
    return true;
  }

  void write_down(const EpochRecord& record) {
    folder_->write_report(summary());
    for (const RecordField& field : record_fields()) {
      if (!field.whole) events_->add(field.name, record.step, field.get(record));
    }
  }

  bool validate_into(EpochRecord& record) {
    if (!validation_) return true;
    const auto go_on = [this](const Batch& batch) {
      note_bad(batch);
      return !(hooks_.stop && hooks_.stop());
    };
    const Clock::time_point begin = Clock::now();
    const auto score = learner_.evaluate(*validation_, false, go_on);
    if (!score) return false;
    if (score->images == 0) fail(ErrorCode::kFormat, "validation", "none of its pictures could be read");
    record.val_loss = score->loss;
    record.val_top1 = score->top1();
    record.val_top5 = score->top5();
    if (learner_.averages()) {
      const auto averaged = learner_.evaluate(*validation_, true, go_on);
      if (!averaged) return false;
      record.ema_loss = averaged->loss;
      record.ema_top1 = averaged->top1();
      record.ema_top5 = averaged->top5();
    }
    validation_seconds_ = seconds_since(begin);
    return true;
  }

  // Without validation the newest is the best.
  void keep_best(const EpochRecord& record) {
    const bool averaged = validation_ ? record.ema_top1 >= record.val_top1 : learner_.averages();
    const double top1 = averaged ? record.ema_top1 : record.val_top1;
    if (validation_ && at_.best_epoch > 0 && !(top1 > at_.best_top1)) return;
    if (!learner_.is_finite()) return;  // save_checkpoint() says so
    at_.best_epoch = record.epoch;
    at_.best_top1 = top1;
    at_.best_is_ema = averaged;
    if (!folder_) return;
    Model model = learner_.model(averaged);
    model.classes = task_.classes;
    model.preprocessing = task_.preprocessing;
    model.metadata["training.epoch"] = std::to_string(record.epoch);
    if (validation_) model.metadata["training.val_top1"] = fmt::format("{}", top1);
    Recipe recipe = recipe_;
    for (std::string* place : {&recipe.data, &recipe.val, &recipe.from}) {  // names: models travel, folders do not
      const std::filesystem::path path(*place);
      *place = (path.has_filename() ? path : path.parent_path()).filename().string();
    }
    model.metadata["training.recipe"] = to_toml(recipe);
    save_model(model, folder_->best());
  }

  RunSummary summary() const {
    RunSummary run;
    run.title = task_.graph.architecture.name;
    run.subtitle = fmt::format("{} pictures of {} classes to learn from, {} to validate with",
                               grouped(static_cast<std::int64_t>(task_.data.train.size())), task_.classes.size(),
                               grouped(static_cast<std::int64_t>(task_.data.val.size())));
    if (at_.best_epoch > 0 && validation_) {
      run.facts.push_back(
          {fmt::format("{:.2f} %", 100 * at_.best_top1), "best top-1",
           fmt::format("after epoch {}{}", at_.best_epoch, at_.best_is_ema ? ", with averaged weights" : "")});
    }
    run.facts.push_back({fmt::format("{} of {}", at_.history.size(), recipe_.epochs), "epochs", ""});
    run.facts.push_back({grouped(parameter_count(task_.graph)), "parameters", ""});
    run.history = at_.history;
    run.recipe = to_toml(recipe_);
    return run;
  }

  const TrainHooks& hooks_;
  Processes& processes_;
  Task task_;
  const Recipe& recipe_;
  Learner learner_;
  Loader loader_;
  std::optional<Loader> validation_;
  std::optional<RunFolder> folder_;  // this and the two below in rank 0 alone
  std::optional<CheckpointFolder> checkpoints_;
  std::optional<EventFile> events_;
  std::int64_t steps_per_epoch_ = 0;
  Position at_;
  std::string checkpoint_path_;
  Clock::time_point session_;  // when this process began with the epoch
  std::int64_t session_batches_ = 0;
  double validation_seconds_ = 0;  // of the last epoch
  std::set<std::string> noted_;    // bad pictures
  std::uint64_t skipped_ = 0;      // of them, in the epochs before
};

}  // namespace

namespace {

TrainResult train_with(Processes& processes, const TrainOptions& options, const TrainHooks& hooks) {
  try {
    validate(options.recipe);
    static_cast<void>(Device::parse(options.recipe.device, options.recipe.precision));  // before the data is opened
    return Run(options, hooks, processes).run();
  } catch (const Error& error) {
    processes.leave(error.what());
    throw;
  } catch (const std::bad_alloc&) {
    processes.leave("out of memory");
    throw;
  } catch (const std::exception& error) {
    if (processes.several()) processes.explain(error);
    const auto* torch_error = dynamic_cast<const c10::Error*>(&error);  // memory that there is not, and the like
    if (torch_error == nullptr) throw;
    fail(ErrorCode::kUnsupported, "LibTorch", "{}", torch_error->what_without_backtrace());
  }
}

}  // namespace

TrainResult train(const TrainOptions& options, const TrainHooks& hooks) {
  if (options.worker.world_size == 1) {
    Processes alone;
    return train_with(alone, options, hooks);
  }
  try {
    Processes processes(options.worker);
    return train_with(processes, options, hooks);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("rank {}", options.worker.rank), error.what());
  }
}

}  // namespace resnet
