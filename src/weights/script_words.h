// Attributes of TorchScript's modules out of their code, as if they were pickled modules': no program is run, the
// numbers in the calls of a module's own functions are read.
#pragma once

#include <map>
#include <string>

#include "resnet/tensor_file.h"

namespace resnet {

// JSON by path ("layer1.0.conv1.stride": "[1,1]"), as in TensorFile::values; classes without the names that
// TorchScript gives them ("torch.nn.modules.conv.Conv2d"). Empty for a file of another kind.
std::map<std::string, std::string> script_attributes(const TensorFile& file);

}  // namespace resnet
