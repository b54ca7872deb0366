// From the tensors of a file that does not describe itself to a network's weights under torchvision's names: finds the
// network (found_network.h), its classifier (find_head.h), and makes stored forms plain (plain_weights.h). What was
// decided on the way is said in a Finding.
#pragma once

#include <string>

#include "resnet/model_file.h"

namespace resnet {

struct Recognised {
  StateDict tensors;  // torchvision's names
  Layout layout = Layout::kTorchvision;
  Finding finding;
  std::vector<std::string> made_norms;  // by plain_weights.h, for the usual eps
  std::vector<float> mean;              // of pictures in 0..1, where the network has them among its buffers; else empty
  std::vector<float> std;
  bool bare_head = false;  // certainly nothing stands between them
  std::string beside;      // without a classifier: what stands in its place and is none, if anything
};

// Throws kMismatch where there is no network, kUnsupported where it is one that this program does not have or of which
// a part would be left out, kNotFound for a name in the options that is none.
Recognised recognise(const StateDict& tensors, const LoadOptions& options, const std::string& path);

}  // namespace resnet
