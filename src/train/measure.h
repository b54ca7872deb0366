// How fast this machine learns a task: measured on made-up pictures before a run, so that people know how long it
// takes.
#pragma once

#include "train/task.h"

namespace resnet {

// Pictures a second that one process learns from, reading them not counted. Trains a copy of the network for about a
// second. Throws what Learner throws.
double measure_images_per_second(const Task& task);

}  // namespace resnet
