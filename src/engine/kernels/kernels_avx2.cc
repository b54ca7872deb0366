// The table for AVX2 and FMA. CMake sets this file's flags; nothing here may be shared with other files (see
// tests/check_kernel_symbols.py), or the linker could give its code to processors that cannot run it.
#include "engine/kernels/conv_direct.h"
#include "engine/kernels/elementwise.h"
#include "engine/kernels/pools.h"
#include "engine/kernels/vector_avx2.h"

namespace resnet {
namespace {

using Rows = DirectConv<Avx2, Layout::kRows>;
using Taps = DirectConv<Avx2, Layout::kTaps>;

constexpr ConvAlgorithm kConvs[] = {
    {"direct rows 6x16", Rows::refuse, Rows::packed_bytes, pack_weights<Avx2, Layout::kRows>, Rows::scratch_bytes,
     Rows::tasks, Rows::run},
    {"direct 6x16", Taps::refuse, Taps::packed_bytes, pack_weights<Avx2, Layout::kTaps>, Taps::scratch_bytes,
     Taps::tasks, Taps::run},
};

constinit const Kernels kTable = {
    "avx2",    kConvs, max_pool<Avx2>, average_pool<Avx2>, global_average_pool<Avx2>, add<Avx2>, scale_shift<Avx2>,
    spin<Avx2>};

}  // namespace

const Kernels& avx2_kernels() noexcept { return kTable; }

}  // namespace resnet
