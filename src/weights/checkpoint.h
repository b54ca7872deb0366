// A checkpoint that a run of `resnet train` wrote (journal/checkpoints.h) as a file of weights. It holds the network's
// tensors under "net.", what the optimiser keeps beside them under other names, and in its metadata the run's state,
// under the keys below.
#pragma once

#include "resnet/tensor_file.h"

namespace resnet {

namespace checkpoint {
inline constexpr const char* kNetPrefix = "net.";
inline constexpr const char* kArchitecture = "run.architecture";
inline constexpr const char* kClasses = "run.classes";
inline constexpr const char* kPreprocessing = "run.preprocessing";  // absent in those of older versions
}  // namespace checkpoint

bool is_checkpoint(const TensorFile& file);

// Leaves of a checkpoint what a model file holds: the network's tensors (the newest, not their average) under their own
// names, architecture, classes and preprocessing. Of the run's state nothing stays.
void take_network(TensorFile& file);

}  // namespace resnet
