// Is it the same run? What must not differ when a run goes on, and between the processes of one.
#pragma once

#include <string>

#include "journal/run_folder.h"
#include "train/task.h"

namespace resnet {

// Throws kInvalidArgument, naming the key and the way out, where `recipe` trains something else than the run in the
// folder was begun with. Where things are and how often it saves may change.
void check_same_recipe(const Recipe& recipe, const RunFolder& folder);

// All that must be the same in all processes: the recipe but for what may change, the classes, the preprocessing, and
// the pictures by their number, labels and names.
std::string describe_run(const Task& task);

}  // namespace resnet
