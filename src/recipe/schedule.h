// The learning rate of each step.
#pragma once

#include <cstdint>

#include "resnet/recipe.h"

namespace resnet {

// Of step `step` (from 0) where an epoch has `steps_per_epoch`. Rises linearly during the warm-up; what follows is a
// function of the rest of the run:
//   step        lr * step_factor ^ (number of step_epochs passed)
//   cosine      Loshchilov and Hutter 2016 (arXiv:1608.03983), equation 5, without restarts
//   one_cycle   Smith and Topin 2017 (arXiv:1708.07120) with two half cosines, as torch's OneCycleLR: the first rate is
//               that of step 0, the last that of the last step
//   polynomial  (1 - part of the run) ^ power
double learning_rate(const Recipe& recipe, std::int64_t step, std::int64_t steps_per_epoch);

}  // namespace resnet
