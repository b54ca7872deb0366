// Choosing algorithms by measuring them.
//
// Every algorithm runs the whole network, wherever it can, so that each layer is timed as it will be in life: its
// weights as far away as the layers before leave them.
#pragma once

#include <functional>

#include "engine/execute.h"
#include "engine/plan.h"
#include "engine/timings.h"
#include "resnet/error.h"

namespace resnet {

// How long each algorithm that the rules allow takes for each convolution of the plan, beside what is `known`. Reads
// what timings_path() holds, measures only what is missing, and adds it to the file; tells `not_kept` where that cannot
// be read or written. Throws what outline_plan() throws.
Timings tune(const PlanBasis& basis, const FeatureShape& input, const ChoiceRules& rules, const Constants& constants,
             Workspace& workspace, Timings known, const std::function<void(const Error&)>& not_kept);

}  // namespace resnet
