// The classifier of a network that was found in a file: one linear layer behind the pooled features, wherever it stands
// and whatever it is called.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "weights/found_network.h"

namespace resnet {

struct Head {
  std::string module;  // "classifier.1", with all that stands before it; empty where there is none
  Tensor weight;       // classes x features
  std::optional<Tensor> bias;
};

struct HeadSearch {
  Head head;
  std::vector<std::string> others;      // linear layers of the features that --head takes instead
  std::vector<std::string> set_aside;   // projections of self-supervised learning, and what else is no classifier
  std::vector<std::string> unexpected;  // tensors among those of stem and blocks that the network does not have
  std::vector<std::string> notes;
};

// `excluded` are prefixes of other networks. `wanted` is a head's name or the end of one; empty for the only one, and
// "none" for none. Throws kUnsupported, saying what there is, where a head is more than one linear layer or there are
// several; kNotFound for a name that none has. `where` names the file.
HeadSearch find_head(const StateDict& tensors, const FoundNetwork& network, std::int64_t features,
                     const std::vector<std::string>& excluded, const std::string& wanted, const std::string& where);

}  // namespace resnet
