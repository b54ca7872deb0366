#include "train/same_run.h"

#include <nlohmann/json.hpp>
#include <span>

#include "base/error.h"
#include "journal/crc32c.h"
#include "recipe/keys.h"
#include "weights/metadata.h"

namespace resnet {
namespace {

bool may_change(std::string_view key) {
  for (const char* free : {"data", "val", "device", "threads", "cache_megabytes", "checkpoint_steps", "keep"}) {
    if (key == free) return true;
  }
  return false;
}

// How many pictures, and a number made of their labels and names in their order.
std::string content(const ImageSet& images) {
  std::uint32_t checksum = 0;
  for (std::size_t i = 0; i < images.size(); ++i) {
    const std::string path = images.path(i);  // which may lie elsewhere on other machines
    const std::string line = fmt::format("{} {}\n", images.label(i), path.substr(path.rfind('/') + 1));
    checksum = crc32c(checksum, std::as_bytes(std::span(line)));
  }
  return fmt::format("{} ({:08x})", images.size(), checksum);
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
  return text + fmt::format("classes = {}\npreprocessing = {}\npictures to learn from = {}\nto validate with = {}\n",
                            fmt::join(task.classes, ", "), to_json(task.preprocessing).dump(), content(task.data.train),
                            content(task.data.val));
}

}  // namespace resnet
