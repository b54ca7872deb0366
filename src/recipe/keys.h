// The keys of a recipe: one table that files, flags, --help and the saved recipe are made from.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "resnet/recipe.h"

namespace resnet {

using Member = std::variant<std::string Recipe::*, std::int64_t Recipe::*, double Recipe::*, bool Recipe::*,
                            std::vector<std::string> Recipe::*, std::vector<std::int64_t> Recipe::*,
                            std::vector<double> Recipe::*>;

struct Key {
  std::string_view name;   // "weight_decay"; the flag is --weight-decay
  std::string_view group;  // heading in --help and in the saved file
  Member member;
  std::string_view help;
  double min = 0;  // of a number, or of each number of a list
  double max = 0;
  std::vector<std::string_view> choices = {};  // of a text; empty: any
};

// In the order in which they are shown.
std::span<const Key> recipe_keys();

// Throws kInvalidArgument with the nearest names; the place is `where`.
const Key& find_key(std::string_view name, const std::string& where);

// "--weight-decay"
std::string flag_of(const Key& key);

// Sets the key's field from text as flags have it: lists with commas, true and false. `where` names the flag in errors
// (kInvalidArgument), in later ones as well.
void set_from_text(Recipe& recipe, const Key& key, const std::string& text, const std::string& where);

// Throws kInvalidArgument where the field is out of its range or none of its choices.
void check_value(const Recipe& recipe, const Key& key, const std::string& where);

// The field as TOML writes it.
std::string toml_value(const Recipe& recipe, const Key& key);

}  // namespace resnet
