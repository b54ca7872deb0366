// Is it the same run? What must not differ when a run goes on, and between the processes of one.
#pragma once

#include <string>

#include "train/task.h"

namespace resnet {

// Throws kInvalidArgument, naming the key, where `recipe` trains something else than the run was begun with. Where
// things are and how often it saves may change. The place is `where`.
void check_same_recipe(const Recipe& recipe, const Recipe& begun, const std::string& where);

// All that must be the same in all processes: the recipe but for what may change, the classes, the preprocessing, and
// the pictures by their number, labels and names.
std::string describe_run(const Task& task);

}  // namespace resnet
