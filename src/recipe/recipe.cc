// Recipes as TOML, and the checks that take more than one key.
#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>

#include <toml++/toml.h>

#include "base/error.h"
#include "base/list_file.h"
#include "base/text.h"
#include "recipe/keys.h"
#include "recipe/parts.h"

namespace resnet {
namespace {

constexpr std::size_t kMaxRecipeBytes = std::size_t{1} << 20;

// A field's value out of TOML's. Whole numbers serve where numbers are asked for, never the reverse.
template <typename Value>
Value convert(const toml::node& node, const std::string& where) {
  const auto wrong = [&](const char* expected) { fail(ErrorCode::kInvalidArgument, where, "is not {}", expected); };
  if constexpr (std::is_same_v<Value, std::string>) {
    if (const auto* value = node.as_string()) return value->get();
    wrong("a text in quotes");
  } else if constexpr (std::is_same_v<Value, bool>) {
    if (const auto* value = node.as_boolean()) return value->get();
    wrong("true or false");
  } else if constexpr (std::is_same_v<Value, std::int64_t>) {
    if (const auto* value = node.as_integer()) return value->get();
    wrong("a whole number");
  } else if constexpr (std::is_same_v<Value, double>) {
    if (const auto* value = node.as_floating_point()) return value->get();
    if (const auto* value = node.as_integer()) return static_cast<double>(value->get());
    wrong("a number");
  } else {
    const toml::array* array = node.as_array();
    if (array == nullptr) wrong("a list in brackets");
    Value list;
    for (const toml::node& item : *array) list.push_back(convert<typename Value::value_type>(item, where));
    return list;
  }
  return {};
}

toml::table parse_toml(const std::string& path) {
  const TextFile file = TextFile::open(path, kMaxRecipeBytes);
  file.check_utf8();
  const std::string_view text = file.text();
  try {
    return toml::parse(text, std::string_view(path));
  } catch (const toml::parse_error& error) {
    const auto number = error.source().begin.line;
    std::string_view rest = text;
    std::string_view line;
    for (toml::source_index i = 0; i < number && take_line(rest, line);) ++i;
    const std::string_view key = line.substr(0, line.find_first_of(" =\t"));  // the one that stands there, if any
    const bool plain = !key.empty() && key.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == key.npos;
    const bool twice = error.description().find("redefine") != std::string_view::npos;
    fail(ErrorCode::kFormat, fmt::format("{}: line {}", path, number), "{}{}", plain ? std::string(key) + ": " : "",
         twice ? "stands twice"
               : fmt::format("'{}' is no line of TOML, which is NAME = VALUE, texts in \"quotes\", lists in [brackets]",
                             one_line(trimmed(line))));
  }
}

[[noreturn]] void refuse(const Recipe& recipe, std::string_view key, const std::string& message) {
  fail(ErrorCode::kInvalidArgument, recipe.place(key), "{}", message);
}

void check_parts(const Recipe& recipe) {
  for (const std::string& part : recipe.freeze) {
    if (part == "all-but-head" && recipe.freeze.size() == 1) continue;
    if (!is_part_of_network(part))
      refuse(recipe, "freeze",
             fmt::format("'{}' is none of stem, layer1, ..., head or, alone, all-but-head", one_line(part)));
  }
  std::set<std::string> parts;
  for (const std::string& item : recipe.stage_lr) {
    const std::string part = parse_part_factor(item, recipe.place("stage_lr")).first;
    if (!parts.insert(part).second) refuse(recipe, "stage_lr", part + " stands twice");
  }
}

}  // namespace

Recipe read_recipe(const std::string& path, Recipe recipe) {
  const toml::table table = parse_toml(path);
  for (const auto& entry : table) {
    const toml::key& name = entry.first;
    const toml::node& node = entry.second;
    const std::string line = fmt::format("{}: line {}", path, node.source().begin.line);
    const Key& key = find_key(name.str(), line);
    const std::string where = fmt::format("{}: {}", line, key.name);
    std::visit(
        [&](const auto& of_kind) {
          set_value(recipe, key, convert<std::decay_t<decltype(of_kind)>>(node, where), where);
        },
        value_of(recipe, key));
  }
  return recipe;
}

std::string Recipe::place(std::string_view key) const {
  const auto found = places.find(key);
  return found != places.end() ? found->second : fmt::format("recipe: {}", key);
}

std::string to_toml(const Recipe& recipe) {
  std::string text;
  std::string_view group;
  for (const Key& key : recipe_keys()) {
    if (!is_written(recipe, key)) continue;
    if (key.group != group) text += fmt::format("{}# {}\n", group.empty() ? "" : "\n", key.group);
    group = key.group;
    text += fmt::format("{} = {}\n", key.name, toml_value(recipe, key));
  }
  return text;
}

void validate(const Recipe& recipe) {
  for (const Key& key : recipe_keys()) check_value(recipe, key, recipe.place(key.name));
  check_parts(recipe);
  if (recipe.data.empty()) refuse(recipe, "data", "is missing: where are the pictures?");
  if (recipe.mean.size() != recipe.std.size()) refuse(recipe, "std", "has another number of values than mean");
  if (!recipe.mean.empty() && recipe.mean.size() != 1 && recipe.mean.size() != 3) {
    refuse(recipe, "mean", "pictures have one channel or three");
  }
  const auto& weights = recipe.class_weights;
  if (!weights.empty() && std::all_of(weights.begin(), weights.end(), [](double weight) { return weight == 0; })) {
    refuse(recipe, "class_weights", "one of them must be above 0");
  }
  const std::string& device = recipe.device;
  const bool numbered = device.starts_with("cuda:") && device.size() > 5 &&
                        device.find_first_not_of("0123456789", 5) == std::string::npos;
  if (device != "auto" && device != "cpu" && device != "cuda" && !numbered) {
    refuse(recipe, "device", fmt::format("'{}' is none of cpu, cuda, cuda:N, auto", one_line(device)));
  }
  if (recipe.nesterov && recipe.momentum == 0 && recipe.optimizer == Recipe::Optimizer::kSgd) {
    refuse(recipe, "momentum", "nesterov needs one above 0");
  }
  if (recipe.warmup_epochs >= static_cast<double>(recipe.epochs))
    refuse(recipe, "warmup_epochs", "leaves no epoch after it");
  if (recipe.schedule == Recipe::Schedule::kStep && recipe.step_epochs.empty())
    refuse(recipe, "step_epochs", "is empty: when does the rate fall?");
  if (recipe.schedule == Recipe::Schedule::kOneCycle && recipe.warmup_epochs > 0)
    refuse(recipe, "warmup_epochs", "one_cycle warms up by itself");
  if (recipe.mixup + recipe.cutmix > 0 && recipe.batch < 2)
    refuse(recipe, "batch", "mixup and cutmix need two pictures");
}

}  // namespace resnet
