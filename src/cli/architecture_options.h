// The options that describe an architecture, the same on every command that takes one (summary, draw, init, bench): a
// name of the catalog, or the general form (--block --depths ...), and options that change either.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/field_options.h"
#include "cli/options.h"
#include "resnet/architecture.h"
#include "resnet/model_file.h"

namespace resnet::cli {

class ArchitectureOptions {
 public:
  // Adds the positional argument `label` (NETWORK, or for commands that also take model files NETWORK|FILE) and the
  // options to `command`, which keeps pointers to this object: it must live as long.
  void add_to(Command& command, const std::string& label, const std::string& description);

  // What the positional argument said; empty where it was left out.
  const std::string& network() const noexcept { return network_; }

  // True where the positional argument is a path: it is no name of the catalog, and contains a slash or a dot or
  // exists.
  bool is_file() const;

  // The architecture that the options describe. Throws Usage, naming the option, where they describe none; Error
  // (kNotFound) with the nearest names for an unknown name.
  Architecture architecture() const;

  // The model in the file that the positional argument names, in the layout asked for. Throws Usage where any other
  // option was given, and what load_model throws.
  Model load_file(const LoadOptions& load) const;

  // The layout asked for, if any, where it is the only option that has a meaning. Throws Usage where another was given;
  // `reason` says why that makes no sense.
  std::optional<Layout> layout_alone(const std::string& reason) const;

 private:
  std::string network_;
  FieldOptions fields_;
};

// "3,4,6,3" as numbers. Throws Usage, naming `option`.
std::vector<int> parse_numbers(const std::string& text, const std::string& option);

}  // namespace resnet::cli
