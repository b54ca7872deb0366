// Batch-norm statistics for a network that has seen no data, so that its activations stay of order one.
#pragma once

#include <cstdint>
#include <vector>

#include "resnet/graph.h"

namespace resnet {

// `weights` with the running means and variances that the network has on seeded noise which looks like photographs do
// in one respect: every octave of frequencies carries the same energy (Field 1987, "Relations between the statistics of
// natural images and the response properties of cortical cells").
StateDict calibrate_on_noise(const Graph& graph, const StateDict& weights, std::uint64_t seed);

// That noise: NCHW, each value of mean 0 and variance 1.
std::vector<float> octave_noise(const FeatureShape& shape, std::uint64_t seed);

}  // namespace resnet
