// Weights that are stored as something else than weights, made plain: pruned, under weight or spectral norm, taken
// together with their batch norms, without a scale.
#pragma once

#include <string>
#include <vector>

#include "resnet/tensor.h"

namespace resnet {

// What batch norms add to variances where nobody says otherwise.
inline constexpr float kUsualEpsilon = 1e-5F;

// `tensors` have torchvision's names with leaves of network_names.h, of stem and blocks.
//   weight_orig, weight_mask   pruned: their product
//   weight_g, weight_v         weight norm: g v / |v|
//   weight_orig, weight_u, _v  spectral norm: the weight by u' W v
//   a convolution with a bias and no norm behind it: a batch norm that adds the bias
//   a norm without weight or bias: ones, zeros; Caffe2's scale and bias alone: statistics that change nothing
// `made_norms` are those of the last two kinds whose statistics are made: zeros, and 1 - kUsualEpsilon. What was made
// plain is said in `notes`, a line a kind. Throws kUnsupported for norms without statistics (group norm) and for other
// parametrizations, kMismatch for shapes that do not go together; `where` names the file.
StateDict make_plain(const StateDict& tensors, const std::string& where, std::vector<std::string>& notes,
                     std::vector<std::string>* made_norms = nullptr);

// The same without a look at norms: of a head.
StateDict make_leaves_plain(const StateDict& tensors, const std::string& where, std::vector<std::string>& notes);

// The module of the norm behind a convolution: "bn2" of "conv2", "conv1.4" of "conv1.3".
std::string norm_behind(std::string_view conv);

}  // namespace resnet
