// Weights that are NaN or infinite: a training run that diverged, or a file that was damaged, leaves them, and a
// network that has one answers nonsense. load_model() looks for them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "resnet/tensor.h"

namespace resnet {

struct NonfiniteTensor {
  std::string name;
  std::int64_t nonfinite = 0;  // of its values, as tensor/finite.h counts them
  std::int64_t values = 0;
};

// Those that have such values, in their order. All processors look through large ones.
std::vector<NonfiniteTensor> find_nonfinite(const StateDict& tensors);

// "2 tensors have values that are not finite (...): conv1.weight (3 of 9,408), fc.bias (10 of 10)"; the first ten.
std::string describe(std::span<const NonfiniteTensor> found);

}  // namespace resnet
