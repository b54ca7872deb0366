// What the ranges of an int8 network's activations cut off.
#pragma once

#include <vector>

#include "check/picture_set.h"
#include "resnet/model_file.h"

namespace resnet {

// Layers of an int8 network of whose values, computed in float32 by the network as the model says it, more than one in
// a hundred lies beyond what their scale and zero point reach. Empty for a network in floating point. `threads` as in
// EngineOptions. Throws what Engine throws.
std::vector<WeightProblem> find_clipped_values(const Model& model, const PictureSet& pictures, int threads);

}  // namespace resnet
