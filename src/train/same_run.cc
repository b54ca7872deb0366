#include "train/same_run.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "recipe/keys.h"
#include "train/data_record.h"
#include "weights/metadata.h"

namespace resnet {
namespace {

bool may_change(std::string_view key) {
  for (const char* free :
       {"data", "val", "device", "threads", "cache_megabytes", "max_pixels", "checkpoint_steps", "keep"}) {
    if (key == free) return true;
  }
  return false;
}

}  // namespace

void check_same_recipe(const Recipe& recipe, const Recipe& begun, const std::string& where) {
  for (const Key& key : recipe_keys()) {
    const std::string now = toml_value(recipe, key);
    const std::string then = toml_value(begun, key);
    if (now != then && !may_change(key.name)) {
      fail(ErrorCode::kInvalidArgument, where, "{}: {}, but the run was begun with {}", key.name, now, then);
    }
  }
}

std::string describe_run(const Task& task) {
  std::string text;
  for (const Key& key : recipe_keys()) {
    if (!may_change(key.name)) text += fmt::format("{} = {}\n", key.name, toml_value(task.recipe, key));
  }
  const DataRecord data = DataRecord::of(task.data);
  return text + fmt::format("classes = {}\npreprocessing = {}\npictures = {} ({:016x})\n",
                            fmt::join(task.classes, ", "), to_json(task.preprocessing).dump(), data.counts(),
                            data.hash());
}

}  // namespace resnet
