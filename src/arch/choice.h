// An architecture as people say it: a name of the catalog, or a description, and what is to be different.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "resnet/architecture.h"

namespace resnet {

struct ArchitectureChoice {
  std::string network;  // of the catalog; empty: `block` and `depths` describe one
  std::optional<Block> block;
  std::optional<std::vector<int>> depths, widths;
  std::optional<Stem> stem;
  std::optional<Shortcut> shortcut;
  std::optional<int> channels, classes, groups, width_per_group, stem_width, dilated_stages;
  bool stride_on_first = false;
  bool conv_bias = false;
};

// Widths that were not said double from stage to stage: 64, 128, 256, ..., behind a CIFAR stem 16, 32, 64, ... Not yet
// validated. Throws what find_architecture throws.
Architecture choose(const ArchitectureChoice& choice);

}  // namespace resnet
