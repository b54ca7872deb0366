// What is usual of networks whose tensors bear certain names, because who gives such names trains so: Caffe's,
// Detectron's and detectron2's. It is assumed where neither flags nor the file say otherwise.
#pragma once

#include <optional>
#include <vector>

#include "resnet/model_file.h"

namespace resnet {

struct Habits {
  ArchitectureChanges changes;
  std::optional<Preprocessing> preprocessing;
};

// `mean` is what the network holds as the mean of its pictures in 0..1; empty where it holds none.
Habits habits_of(const TensorFile& file, const Finding& finding, const Architecture& architecture,
                 const std::vector<float>& mean);

}  // namespace resnet
