// Heads of more than one layer: which linear layers of a file follow each other from the pooled features on, and where
// batch norms stand between them. Told by the numbers in a Sequential, else by sizes; what they leave open is not
// guessed.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "resnet/tensor.h"

namespace resnet {

// What stands behind a network, under one path of the file.
struct HeadModule {
  std::string_view path;
  StateDict tensors;  // by plain leaves, behind "head."
  std::vector<std::string_view> names;

  struct Sizes {
    std::int64_t in, out;
  };
  std::optional<Sizes> linear() const;  // of a linear layer or a 1x1 convolution; of others nothing
  bool is_norm() const { return tensors.contains("head.running_mean"); }
};

// A batch norm right before a layer, or right behind it, before any activation.
struct PlacedNorm {
  const HeadModule* norm;
  std::size_t layer;
  bool before;
};

struct HeadChain {
  std::vector<const HeadModule*> layers;  // the first one reads the features, or their means and largest values
  std::vector<PlacedNorm> norms;          // in the order in which they are applied
  std::vector<bool> bare;                 // of each layer but the last: certainly no activation follows it

  bool has(const HeadModule& module) const;
};

// All chains that end in a layer which no other reads; without norms.
std::vector<HeadChain> find_chains(const std::vector<const HeadModule*>& modules, std::int64_t features);

// The one that ends in `last`, which must be among the modules; none where nothing leads there.
std::optional<HeadChain> chain_to(const HeadModule& last, const std::vector<const HeadModule*>& modules,
                                  std::int64_t features);

// Gives each norm its place. False where one has none, or where the tensors do not tell it. What has no tensors between
// a batch norm of the features and the first layer may be dropout or an activation: it is dropout where the rest of the
// chain is built so, where the layer reads means and largest values, or where the caller says so.
bool place_norms(HeadChain& chain, const std::vector<const HeadModule*>& norms, std::int64_t features, bool dropout);

// Whether a norm stands with a chain rather than with another layer of the modules.
bool stands_with(const HeadModule& norm, const HeadChain& chain, const std::vector<const HeadModule*>& modules);

}  // namespace resnet
