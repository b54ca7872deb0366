// The training tables of x86-64's instruction sets, each compiled in a file of its own (kernels_*_training.cc).
#pragma once

#include "kernels/training.h"

namespace resnet {

const TrainingKernels& avx2_training_kernels() noexcept;
const TrainingKernels& avx512_training_kernels() noexcept;

}  // namespace resnet
