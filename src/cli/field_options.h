// Flags of fields of an architecture, made from the table of fields.
#pragma once

#include <deque>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "arch/schema.h"
#include "cli/command.h"
#include "cli/options.h"
#include "resnet/error.h"

namespace resnet::cli {

// The heading where a command describes a network; what is said first stands before it, among the common options.
inline constexpr const char* kArchitecture = "Architecture";

class FieldOptions {
 public:
  // `command` keeps pointers to this object, which must live as long and stay where it is.
  void add_to(Command& command, std::span<const ArchitectureField* const> fields, const std::string& group);

  // What was said. Throws Usage for a list that is none, Error (kInvalidArgument) naming the field.
  ArchitectureChanges changes() const;

  // The first flag that was given among those of other ranks than `rank`; empty where none was.
  std::string given_beside(FieldRank rank) const;

 private:
  // What the option of a field said.
  struct Given {
    const ArchitectureField* field;
    Option* option;
    std::variant<int, double, bool, std::string> value;  // a list is a text
  };
  std::deque<Given> given_;  // in the order of --help; options point to the values
};

// An error about a field of the architecture, told as one about the option that sets it.
Usage as_usage(const Error& error);

}  // namespace resnet::cli
