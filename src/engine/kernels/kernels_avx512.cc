// The table for AVX-512 F, VL, BW and DQ. CMake sets this file's flags; nothing here may be shared with other files
// (see tests/check_kernel_symbols.py), or the linker could give its code to processors that cannot run it.
#include "engine/kernels/conv_direct.h"
#include "engine/kernels/elementwise.h"
#include "engine/kernels/pools.h"
#include "engine/kernels/vector_avx512.h"

namespace resnet {
namespace {

using Rows = DirectConv<Avx512, Layout::kRows>;
using Taps = DirectConv<Avx512, Layout::kTaps>;

constexpr ConvAlgorithm kConvs[] = {
    {"direct rows 14x32", Rows::refuse, Rows::packed_bytes, pack_weights<Avx512, Layout::kRows>, Rows::scratch_bytes,
     Rows::tasks, Rows::run},
    {"direct 14x32", Taps::refuse, Taps::packed_bytes, pack_weights<Avx512, Layout::kTaps>, Taps::scratch_bytes,
     Taps::tasks, Taps::run},
};

constinit const Kernels kTable = {"avx512",
                                  kConvs,
                                  max_pool<Avx512>,
                                  average_pool<Avx512>,
                                  global_average_pool<Avx512>,
                                  add<Avx512>,
                                  scale_shift<Avx512>,
                                  spin<Avx512>};

}  // namespace

const Kernels& avx512_kernels() noexcept { return kTable; }

}  // namespace resnet
