// The keys of a recipe: one table that files, flags, --help and the saved recipe are made from.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "arch/schema.h"
#include "resnet/recipe.h"

namespace resnet {

// A key's value as files and flags have it: an enumeration's is its name; "", [] or, where the architecture's number
// serves, 0 stands for what was not said.
using KeyValue = std::variant<std::string, std::int64_t, double, bool, std::vector<std::string>,
                              std::vector<std::int64_t>, std::vector<double>>;

struct Key {
  using Member = std::variant<std::string Recipe::*, std::int64_t Recipe::*, double Recipe::*, bool Recipe::*,
                              std::vector<std::string> Recipe::*, std::vector<double> Recipe::*, EnumMember<Recipe>,
                              const ArchitectureField*>;  // a field of Recipe::changes

  std::string_view name;   // "weight_decay"; the flag is --weight-decay
  std::string_view group;  // heading in --help and in the saved file
  Member member;
  std::string_view help;
  double min = 0;  // of a number, or of each number of a list
  double max = 0;
};

// In the order in which they are shown.
std::span<const Key> recipe_keys();

// Throws kInvalidArgument with the nearest names; the place is `where`.
const Key& find_key(std::string_view name, const std::string& where);

// "--weight-decay"
std::string flag_of(const Key& key);

// True where the value is a switch's: true or false.
bool is_switch(const Key& key);

KeyValue value_of(const Recipe& recipe, const Key& key);

// `value` is of the kind that value_of() gives. Throws kInvalidArgument where it is out of its range or none of its
// choices. `where` names the place in errors, in later ones as well.
void set_value(Recipe& recipe, const Key& key, const KeyValue& value, const std::string& where);

// The same from text as flags have it: lists with commas, true and false.
void set_from_text(Recipe& recipe, const Key& key, const std::string& text, const std::string& where);

// Throws kInvalidArgument where the field is out of its range or none of its choices.
void check_value(const Recipe& recipe, const Key& key, const std::string& where);

// False for what a recipe file leaves out: a field that was not said and that came later than recipes, so that files
// without it stay what they were, or of which no value says that.
bool is_written(const Recipe& recipe, const Key& key);

// The value as TOML writes it.
std::string toml_value(const Recipe& recipe, const Key& key);

}  // namespace resnet
