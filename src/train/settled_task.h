// The task of a run with all that was left open, its pictures looked at.
#pragma once

#include "resnet/train.h"
#include "train/processes.h"
#include "train/task.h"

namespace resnet {

// make_task(), then what takes the pictures' files, the machine or the other processes: sizes of pictures that nothing
// resizes are checked, and where `epochs` is open the speed is measured. Rank 0 does both and tells the others. Throws
// what make_task() and check_sizes() throw.
Task settled_task(const TrainOptions& options, Processes& processes);

}  // namespace resnet
