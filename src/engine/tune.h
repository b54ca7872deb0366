// Choosing algorithms by measuring them.
//
// Every algorithm runs the whole network, wherever it can, so that each layer is timed as it will be in life: its
// weights as far away as the layers before leave them.
#pragma once

#include "engine/execute.h"
#include "engine/plan.h"
#include "engine/timings.h"

namespace resnet {

// How long each algorithm that the rules allow takes for each convolution of the plan. Reads what timings_path() holds,
// measures only what is missing, and adds it to the file. Throws kIo where that cannot be read or written, and what
// outline_plan() throws.
Timings tune(const PlanBasis& basis, const FeatureShape& input, const ChoiceRules& rules, const Constants& constants,
             Workspace& workspace);

}  // namespace resnet
