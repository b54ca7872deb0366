// The classifier of a network that was found in a file: a linear layer behind the pooled features, or a chain of them
// with batch norms (head_chain.h), wherever it stands and whatever it is called.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "weights/found_network.h"

namespace resnet {

struct HeadLayer {
  std::string module;  // "classifier.1", with all that stands before it
  Tensor weight;       // outputs x inputs
  std::optional<Tensor> bias;
};

struct Head {
  std::vector<HeadLayer> layers;   // empty where there is none; batch norms are part of them
  std::vector<std::string> norms;  // the modules of these
  bool bare = false;               // certainly nothing stands between its layers
};

struct HeadSearch {
  Head head;
  std::vector<std::string> others;      // last layers of heads, which --head takes
  std::vector<std::string> set_aside;   // projections of self-supervised learning, and what else is no classifier
  std::vector<std::string> unexpected;  // tensors among those of stem and blocks that the network does not have
  std::vector<std::string> notes;
};

// `excluded` are prefixes of other networks. `wanted` is a head's name or the end of one; empty for the only one, and
// "none" for none. Throws kUnsupported, saying what there is, where there is more than a chain or there are several;
// kNotFound for a name that none has. `where` names the file.
HeadSearch find_head(const StateDict& tensors, const FoundNetwork& network, std::int64_t features,
                     const std::vector<std::string>& excluded, const std::string& wanted, const std::string& where);

}  // namespace resnet
