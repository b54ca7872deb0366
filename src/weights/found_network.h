// Residual networks among the tensors of a file, whatever stands before their names and however they are called.
#pragma once

#include <string>
#include <vector>

#include "resnet/tensor.h"

namespace resnet {

// A tensor's name in the file, and torchvision's for it, of which the leaf may be one that plain_weights.h knows.
struct NameInFile {
  std::string in_file;
  std::string plain;
};

struct FoundNetwork {
  std::string prefix;             // before all names: "module.encoder_q."; may be empty
  std::string whose;              // who gives such names, for people: "torchvision"
  std::vector<NameInFile> names;  // of stem and blocks, in the order of the file
  bool by_order = false;          // nobody's names: by the shapes and the order of the tensors
};

// Those by the names of network_names.h, else the one that shapes and order show. In the order of the file.
std::vector<FoundNetwork> find_networks(const StateDict& tensors);

// The path before a name's leaf ("fc" of "fc.weight"), and the leaf in torchvision's words; the path is empty and the
// leaf is the name where it is none that is known.
struct SplitName {
  std::string_view module;
  std::string_view leaf;
};
SplitName split_leaf(std::string_view name) noexcept;

}  // namespace resnet
