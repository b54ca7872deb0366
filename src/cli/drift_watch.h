// A word on standard error where the first pictures of many contradict how the model says that they are prepared.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "cli/options.h"
#include "resnet/check.h"

namespace resnet::cli {

// Adds --no-check. `off` must live as long as the command.
void add_no_check_option(Command& command, bool& off);

class DriftWatch {
 public:
  // `path` names the model. Looks at nothing where it is `off`.
  DriftWatch(const Model& model, std::string path, bool off);

  // Pictures as the network takes them; only the first 64 are looked at. Gives the line to say() on stderr, once, else
  // nothing. finish() is for the end, where there were fewer.
  std::string add(std::span<const float> input, const FeatureShape& shape);
  std::string finish();

 private:
  std::string path_;
  Preprocessing stated_;
  std::optional<InputDrift> drift_;  // until it has been judged
};

}  // namespace resnet::cli
