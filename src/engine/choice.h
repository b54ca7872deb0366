// Which algorithm computes a convolution, and why none of the others does.
#pragma once

#include <string>
#include <vector>

#include "engine/timings.h"
#include "kernels/kernels.h"
#include "resnet/engine.h"

namespace resnet {

// What there is to choose from, and what is known.
struct ChoiceRules {
  Algorithms algorithms = Algorithms::kAuto;
  const Timings* timings = nullptr;      // measured; null: by the algorithms' own estimates
  const ConvAlgorithm* trial = nullptr;  // taken wherever it may be, to measure it
};

struct Choice {
  const ConvAlgorithm* algorithm = nullptr;
  std::vector<std::string> refused;  // the others, each with its reason
};

// Whether the rules let a plan use the algorithm where it can; if not, because only direct ones are asked for.
bool is_allowed(const ConvAlgorithm& algorithm, const ChoiceRules& rules);

Choice choose_algorithm(const Kernels& kernels, const ConvShape& shape, int threads, const ChoiceRules& rules);

}  // namespace resnet
