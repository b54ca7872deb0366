// The training table for AVX-512 F, VL, BW and DQ. See kernels_avx512.cc.
#include "base/isa.h"
#if RESNET_X64_KERNELS

#include "kernels/vector/training_table.h"
#include "kernels/x64/training_tables.h"
#include "kernels/x64/vector_avx512.h"

namespace resnet {
namespace {

constinit const TrainingKernels kTable = training_table<Avx512>(Isa::kAvx512);

}  // namespace

const TrainingKernels& avx512_training_kernels() noexcept { return kTable; }

}  // namespace resnet

#endif
