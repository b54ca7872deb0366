// How far what goes into batch norms is from what they remember, where few pictures stand for those of the training.
#pragma once

#include <vector>

#include "check/moments.h"

namespace resnet {

struct Fit {
  double distance = 0;            // 0 where what goes in is what is remembered
  std::vector<double> influence;  // what the distance would be without one of the groups of pictures, less itself
};

// Deviations from what is remembered count the less the more pictures differ from each other in the same direction:
// half of Mahalanobis' distance over all channels, the covariance of the pictures' mean shrunk towards what is the same
// in all directions (docs/check.md). Each norm counts alike, and so does each of its channels whose remembered variance
// is not 0. `norms` have the same groups, two at least.
Fit fit(const std::vector<NormMoments>& norms, const std::vector<Remembered>& remembered);

}  // namespace resnet
