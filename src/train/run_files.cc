#include "train/run_files.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/text.h"
#include "base/thread_pool.h"
#include "console/numbers.h"
#include "journal/plan_words.h"
#include "train/makers.h"
#include "train/same_run.h"

namespace resnet {
namespace {

constexpr const char* kData = "run.data";  // a checkpoint's value

std::vector<std::string> unvalidated_classes(const Task& task) {
  if (task.data.val.size() == 0) return {};
  std::vector<bool> seen(task.classes.size());
  for (std::size_t i = 0; i < task.data.val.size(); ++i) seen[static_cast<std::size_t>(task.data.val.label(i))] = true;
  std::vector<std::string> missing;
  for (std::size_t c = 0; c < seen.size(); ++c) {
    if (!seen[c]) missing.push_back(task.classes[c]);
  }
  return missing;
}

// "photos" of "/data/photos/"
std::string last_name(const std::string& place) {
  std::filesystem::path path = std::filesystem::path(place).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  return printable(path.filename().string());
}

}  // namespace

RunFiles::RunFiles(const TrainOptions& options, const Task& task)
    : task_(task),
      data_(DataRecord::of(task.data)),
      folder_(options.out, options.resume),
      checkpoints_(folder_.checkpoints(), task.recipe.keep) {
  if (folder_.holds_run() && std::filesystem::exists(folder_.recipe())) {
    check_same_recipe(task.recipe, folder_);
  }
  checkpoints_.remove_unfinished();
}

void RunFiles::note_run() const {
  folder_.write_recipe(task_.recipe);
  DataList::of(task_.data).write(folder_.pictures());
}

// The tensors alone: what else there is takes some kilobytes.
std::int64_t RunFiles::model_bytes() const {
  std::int64_t bytes = 0;
  for (const auto& [name, tensor] : task_.weights) bytes += static_cast<std::int64_t>(tensor.nbytes());
  return bytes;
}

// With what the optimiser keeps of each weight, and the averages.
std::int64_t RunFiles::checkpoint_bytes() const {
  const Recipe& recipe = task_.recipe;
  const std::int64_t kept = recipe.optimizer == Recipe::Optimizer::kSgd ? 1 : 2;
  return model_bytes() * (1 + kept + (recipe.ema > 0 ? 1 : 0));
}

void RunFiles::check_room() const {
  const Recipe& recipe = task_.recipe;
  const std::int64_t checkpoints = recipe.checkpoint_steps > 0 ? recipe.keep : std::min(recipe.keep, recipe.epochs);
  folder_.check_room(checkpoint_bytes(), checkpoints, model_bytes());
}

std::vector<PlanLine> RunFiles::plan(std::int64_t steps) const {
  RunPlan plan;
  plan.recipe = task_.recipe;
  plan.pictures = static_cast<std::int64_t>(task_.data.train.size());
  plan.classes = task_.classes;
  plan.val_pictures = static_cast<std::int64_t>(task_.data.val.size());
  plan.unvalidated = unvalidated_classes(task_);
  plan.preprocessing = task_.preprocessing;
  plan.architecture = task_.graph.architecture;
  plan.parameters = parameter_count(task_.graph);
  plan.new_head = task_.new_head;
  plan.device = device_words(task_.recipe);
  plan.threads = task_.threads > 0 ? task_.threads : available_processors();
  plan.processes = task_.worker.world_size;
  plan.steps = steps;
  plan.model_bytes = model_bytes();
  plan.checkpoint_bytes = checkpoint_bytes();
  plan.chosen = task_.chosen;
  plan.seconds = task_.seconds;
  plan.out = folder_.path();
  return plan_words(plan);
}

std::optional<Position> RunFiles::restore(Learner& learner, std::int64_t batches, const Notice& notice) {
  const auto found = checkpoints_.newest();
  if (!found) return std::nullopt;
  for (const std::string& damaged : found->damaged) notice(damaged);
  Position at = Position::from(found->checkpoint, task_.graph.architecture, task_.classes, found->path);
  check_same_data(found->checkpoint, found->path, notice);
  if (at.batch > batches) {
    fail(ErrorCode::kMismatch, found->path, "is {} batches into an epoch; now an epoch has {}", at.batch, batches);
  }
  learner.restore(found->checkpoint.tensors, at.step, found->path);
  learner.set_loss_scale(at.loss_scale);
  checkpoint_ = found->path;
  write_report(at);
  return at;
}

// What another set would do to the batches, the split and the results, nobody could tell.
void RunFiles::check_same_data(const Checkpoint& checkpoint, const std::string& where, const Notice& notice) const {
  const auto held = checkpoint.values.find(kData);
  if (held == checkpoint.values.end()) return;  // of a version that did not note it
  const DataRecord before = DataRecord::from_json(held->second, where);
  if (!before.same_pictures(data_)) {
    const auto list = DataList::read(folder_.pictures(), before);
    const bool best = std::filesystem::exists(folder_.best());
    fail(ErrorCode::kMismatch, folder_.path(),
         "the run was begun with {}, now there are {} ({}): put the data back, or begin anew with another --out{}",
         before.counts(), data_.counts(),
         list ? list->difference(DataList::of(task_.data)) : "which ones are others is not known",
         best ? fmt::format(", and --from {} for its weights", folder_.best()) : "");
  }
  if (before.same_order(data_)) return;
  notice(
      fmt::format("{}: the pictures come in another order than when the run was begun: batches are others than without "
                  "the interruption",
                  task_.recipe.data));
}

void RunFiles::save(const Position& at, Learner& learner) {
  Checkpoint checkpoint;
  at.put_into(checkpoint, task_.graph.architecture, task_.classes, task_.preprocessing);
  checkpoint.values[kData] = data_.to_json();
  learner.save(checkpoint.tensors);
  checkpoint_ = checkpoints_.save(checkpoint, at.step);
}

void RunFiles::save_best(Model model, const Position& at) {
  model.classes = task_.classes;
  model.preprocessing = task_.preprocessing;
  model.metadata["training.epoch"] = std::to_string(at.best_epoch);
  if (task_.data.val.size() > 0) model.metadata["training.val_top1"] = fmt::format("{}", at.best_top1);
  Recipe recipe = task_.recipe;
  for (std::string* place : {&recipe.data, &recipe.val, &recipe.from}) {  // names: models travel, folders do not
    const std::filesystem::path path(*place);
    *place = (path.has_filename() ? path : path.parent_path()).filename().string();
  }
  model.metadata["training.recipe"] = to_toml(recipe);
  save_model(model, folder_.best());
}

void RunFiles::write_report(const Position& at) const { folder_.write_report(summary(at)); }

RunSummary RunFiles::summary(const Position& at) const {
  const auto pictures = [](const ImageSet& images) { return grouped(static_cast<std::int64_t>(images.size())); };
  RunSummary run;
  run.title = fmt::format("{} on {}: {}", task_.graph.architecture.name, last_name(task_.recipe.data),
                          last_name(std::filesystem::absolute(folder_.path()).string()));
  run.subtitle = fmt::format("{} pictures of {} classes to learn from, {} to validate with", pictures(task_.data.train),
                             task_.classes.size(), task_.data.val.size() == 0 ? "none" : pictures(task_.data.val));
  if (at.best_epoch > 0 && task_.data.val.size() > 0) {
    run.facts.push_back(
        {fmt::format("{:.2f} %", 100 * at.best_top1), "best top-1",
         fmt::format("after epoch {}{}", at.best_epoch, at.best_is_ema ? ", with averaged weights" : "")});
  }
  run.facts.push_back({fmt::format("{} of {}", at.history.size(), task_.recipe.epochs), "epochs", ""});
  run.facts.push_back({grouped(parameter_count(task_.graph)), "parameters", ""});
  run.history = at.history;
  run.recipe = to_toml(task_.recipe);
  return run;
}

}  // namespace resnet
