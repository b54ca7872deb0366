// Attributes of the modules in a program of torch.export out of its graph, as if they were pickled modules'.
#pragma once

#include <map>
#include <string>

#include "resnet/tensor_file.h"

namespace resnet {

// JSON by path ("layer1.0.conv1.stride": "[1,1]"), as in TensorFile::values. Empty for a file of another kind.
std::map<std::string, std::string> export_attributes(const TensorFile& file);

}  // namespace resnet
