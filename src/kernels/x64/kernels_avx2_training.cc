// The training table for AVX2 and FMA. See kernels_avx2.cc.
#include "base/isa.h"
#if RESNET_X64_KERNELS

#include "kernels/vector/training_table.h"
#include "kernels/x64/training_tables.h"
#include "kernels/x64/vector_avx2.h"

namespace resnet {
namespace {

constinit const TrainingKernels kTable = training_table<Avx2>(Isa::kAvx2);

}  // namespace

const TrainingKernels& avx2_training_kernels() noexcept { return kTable; }

}  // namespace resnet

#endif
