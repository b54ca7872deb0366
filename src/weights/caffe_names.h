// ResNets out of Caffe as arrays: "conv1", "bn_conv1", "scale_conv1", "res2a_branch2a", "bn2a_branch2a",
// "scale2a_branch2a", "fc1000", each with its blobs by number or by name. Statistics and affine part of a batch norm
// are two layers there, and statistics are multiplied with a factor.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "resnet/tensor.h"

namespace resnet {

struct PlainTensors {
  StateDict tensors;                        // torchvision's names; what was made of the others' own is as it was
  std::map<std::string, std::string> file;  // from these to the names in the file, where they differ
};

// Nothing where the file's names are not Caffe's. Throws kMismatch, naming the tensor, for statistics that do not go
// together. `where` names the file.
std::optional<PlainTensors> from_caffe(const StateDict& tensors, const std::string& where);

}  // namespace resnet
