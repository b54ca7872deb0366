// Which table an instruction set has.
#include "kernels/kernels.h"
#if RESNET_X64_KERNELS
#include "kernels/x64/tables.h"
#endif

namespace resnet {

const Kernels& kernels_for(Isa isa) noexcept {
#if RESNET_X64_KERNELS
  if (isa != Isa::kRef) return x64_kernels(isa);
#else
  static_cast<void>(isa);
#endif
  return reference_kernels();
}

const Kernels& best_kernels() { return kernels_for(chosen_isa()); }

}  // namespace resnet
