// The fields of an architecture: one table that model files, flags, recipes, listings and checks are made from.
//
// A new field is a member of Architecture, a row here, its meaning in expand(), and, where tensors tell it, a case in
// the inference (weights/infer.cc).
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/enum_member.h"
#include "resnet/architecture.h"

namespace resnet {

// A field's value without its type: an enumeration's is its name.
using FieldValue = std::variant<int, double, bool, std::vector<int>, std::string>;

// Where lists of fields show one.
enum class FieldRank {
  kForm,    // first: what people say to describe a network
  kDetail,  // then
  kNaming,  // last: names tensors, and is not what is computed
};

struct ArchitectureField {
  using Member = std::variant<int Architecture::*, double Architecture::*, bool Architecture::*,
                              std::vector<int> Architecture::*, EnumMember<Architecture>>;
  struct Range {
    double min, max;
  };

  std::string_view name;  // in errors and recipes; the flag is it with dashes
  Member member;
  std::string_view help;            // of the flag
  std::optional<Range> range = {};  // of a number, or of each of a list; absent where other fields rule it
  std::string_view key = {};        // in model files and JSON, where it is not the name
  FieldRank rank = FieldRank::kDetail;
  bool renames = false;               // a network of the catalog in which it is changed has another name
  bool later = false;                 // model files and recipes of the first version lack it: the usual value is not
                                      // written, and taken where there is none
  std::string_view recipe_help = {};  // of the key of recipes; there is none where this is empty
  std::string (*told)(const Architecture&) = nullptr;  // a headline's words where the value is not the usual; or ""
};

// In the order in which files hold them.
std::span<const ArchitectureField> architecture_fields();

// In the order in which people are shown them: by rank, and switches behind what takes a value.
std::vector<const ArchitectureField*> listed_fields();

FieldValue get(const ArchitectureField& field, const Architecture& architecture);

// Throws kInvalidArgument, naming the field and the choices, for a name that no value of an enumeration has. Nothing
// else is checked. The value is of the kind that get() gives.
void set(const ArchitectureField& field, Architecture& architecture, const FieldValue& value);

// Says it in `changes`; likewise.
void set(const ArchitectureField& field, ArchitectureChanges& changes, const FieldValue& value);

// The names of an enumeration's values; empty for other kinds.
std::span<const std::string_view> choices(const ArchitectureField& field);

inline bool is_choice(const ArchitectureField& field) {
  return std::holds_alternative<EnumMember<Architecture>>(field.member);
}

inline bool is_switch(const ArchitectureField& field) {
  return std::holds_alternative<bool Architecture::*>(field.member);
}

inline std::string_view key_of(const ArchitectureField& field) { return field.key.empty() ? field.name : field.key; }

// "--width-per-group"
std::string flag_of(std::string_view name);

// Throws kInvalidArgument, naming the field, where the value is out of its range.
void check_range(const ArchitectureField& field, const Architecture& architecture);

}  // namespace resnet
