#include "train/position.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/text.h"
#include "journal/history.h"
#include "weights/checkpoint.h"
#include "weights/metadata.h"

namespace resnet {
namespace {

constexpr const char* kPosition = "run.position";
constexpr const char* kHistory = "run.history";
using checkpoint::kArchitecture;
using checkpoint::kClasses;

const std::string& value_of(const Checkpoint& checkpoint, const char* key, const std::string& where) {
  const auto found = checkpoint.values.find(key);
  if (found == checkpoint.values.end()) fail(ErrorCode::kFormat, where, "is no checkpoint of a run: it lacks {}", key);
  return found->second;
}

}  // namespace

void Position::start_epoch(std::int64_t number) {
  epoch = number;
  batch = right = images = 0;
  loss_sum = seconds = 0;
}

void Position::add_batch(double loss, std::int64_t right_ones, std::int64_t pictures) {
  loss_sum += loss * static_cast<double>(pictures);
  right += right_ones;
  images += pictures;
  ++batch;
}

double Position::mean_loss() const { return loss_sum / static_cast<double>(std::max<std::int64_t>(images, 1)); }

double Position::top1() const {
  return static_cast<double>(right) / static_cast<double>(std::max<std::int64_t>(images, 1));
}

void Position::put_into(Checkpoint& checkpoint, const Architecture& architecture,
                        const std::vector<std::string>& classes, const Preprocessing& preprocessing) const {
  nlohmann::ordered_json json = {{"epoch", epoch},
                                 {"batch", batch},
                                 {"step", step},
                                 {"loss_scale", loss_scale},
                                 {"loss_sum", loss_sum},
                                 {"right", right},
                                 {"images", images},
                                 {"seconds", seconds},
                                 {"best_epoch", best_epoch},
                                 {"best_top1", best_top1},
                                 {"best_is_ema", best_is_ema}};
  checkpoint.values[kPosition] = json.dump();
  checkpoint.values[kHistory] = to_json(std::span(history)).text();
  checkpoint.values[kArchitecture] = to_json(architecture).dump();
  checkpoint.values[kClasses] = nlohmann::json(classes).dump();
  checkpoint.values[checkpoint::kPreprocessing] = to_json(preprocessing).dump();
}

Position Position::from(const Checkpoint& checkpoint, const Architecture& architecture,
                        const std::vector<std::string>& classes, const std::string& where) {
  // Before the network, which other numbers of classes change as well.
  if (const std::string& learned = value_of(checkpoint, kClasses, where); learned != nlohmann::json(classes).dump()) {
    fail(ErrorCode::kMismatch, where, "has learned other classes than the data holds: {}, not {}",
         one_line(learned, 300), one_line(fmt::format("{}", fmt::join(classes, ", ")), 300));
  }
  const std::string expected = to_json(architecture).dump();
  const std::string& held = value_of(checkpoint, kArchitecture, where);
  if (held != expected) {
    fail(ErrorCode::kMismatch, where, "is a checkpoint of another network: {}, not {}", held, expected);
  }
  Position at;
  try {
    const auto json = nlohmann::json::parse(value_of(checkpoint, kPosition, where));
    json.at("epoch").get_to(at.epoch);
    json.at("batch").get_to(at.batch);
    json.at("step").get_to(at.step);
    json.at("loss_scale").get_to(at.loss_scale);
    json.at("loss_sum").get_to(at.loss_sum);
    json.at("right").get_to(at.right);
    json.at("images").get_to(at.images);
    json.at("seconds").get_to(at.seconds);
    json.at("best_epoch").get_to(at.best_epoch);
    if (!json.at("best_top1").is_null()) json.at("best_top1").get_to(at.best_top1);
    json.at("best_is_ema").get_to(at.best_is_ema);
  } catch (const nlohmann::json::exception&) {
    fail(ErrorCode::kFormat, where, "is a damaged checkpoint: its {} is not what a run writes there", kPosition);
  }
  at.history = parse_history(value_of(checkpoint, kHistory, where), where);
  return at;
}

}  // namespace resnet
