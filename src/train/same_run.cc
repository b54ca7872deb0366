#include "train/same_run.h"

#include <filesystem>
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

// The other way to go on, which keeps the weights alone; not for what makes another network of them.
std::string other_way(const RunFolder& folder, const Key& key) {
  const bool weights = key.group != "Network" && std::filesystem::exists(folder.best());
  return fmt::format("begin a new run{} in another --out", weights ? " with --from " + folder.best() : "");
}

}  // namespace

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
