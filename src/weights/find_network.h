// Which of a file's tensors are the network's.
#pragma once

#include <string>

#include "resnet/tensor_file.h"

namespace resnet {

// Leaves of a checkpoint's tensors those of one dictionary or module, under the names that they have there: of the
// first of "state_dict", "model", "state_dict_ema" and "model_ema" that holds tensors, else of the file's top. Averaged
// (EMA) weights come last, because they are better only after long training. Returns the dictionary's path, "" for the
// top. Leaves a file without dictionaries as it is. Throws kFormat where no such dictionary holds tensors.
std::string find_network(TensorFile& file, const std::string& path);

}  // namespace resnet
