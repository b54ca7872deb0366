// Which training table an instruction set has.
#include "kernels/training.h"
#if RESNET_X64_KERNELS
#include "kernels/x64/training_tables.h"
#endif

namespace resnet {

const TrainingKernels& training_kernels_for(Isa isa) noexcept {
#if RESNET_X64_KERNELS
  if (isa == Isa::kAvx2) return avx2_training_kernels();
  if (isa != Isa::kRef) return avx512_training_kernels();
#else
  static_cast<void>(isa);
#endif
  return reference_training_kernels();
}

}  // namespace resnet
