// The table for AVX2 and FMA. CMake sets this file's flags; nothing here may be shared with other files (see
// tests/check_kernel_symbols.py), or the linker could give its code to processors that cannot run it.
#include "base/isa.h"
#if RESNET_X64_KERNELS

#include "kernels/vector/conv_direct.h"
#include "kernels/vector/conv_rows.h"
#include "kernels/vector/conv_strassen.h"
#include "kernels/vector/elementwise.h"
#include "kernels/vector/pools.h"
#include "kernels/vector/winograd.h"
#include "kernels/x64/tables.h"
#include "kernels/x64/vector_avx2.h"

namespace resnet {
namespace {

using Floats = F32Product<Avx2>;
using Numbers = WordProduct<Avx2>;
using ShortNumbers = ShortProduct<Avx2Short>;

constexpr ConvAlgorithm kConvs[] = {
    winograd_conv<Floats, 4>("winograd 4x4"),
    winograd_conv<Floats, 3, 4>("winograd 3x3 of phases"),
    winograd_conv<Floats, 2>("winograd 2x2"),
    strassen_conv<Floats>("strassen 6x16"),
    row_conv<Floats>("direct rows 6x16"),
    direct_conv<Floats>("direct 6x16"),
    row_conv<ShortNumbers>("int8 direct short rows 4x16"),
    direct_conv<ShortNumbers>("int8 direct short 4x16"),
    row_conv<Numbers>("int8 direct rows 6x16"),
    direct_conv<Numbers>("int8 direct 6x16"),
};

constinit const Kernels kTable = {
    Isa::kAvx2,     kConvs,
    max_pool<Avx2>, average_pool<Avx2>,
    blur<Avx2>,     global_average_pool<Avx2>,
    add<Avx2>,      scale_shift<Avx2>,
    curve<Avx2>,    convert<Avx2>,
};

}  // namespace

const Kernels& avx2_kernels() noexcept { return kTable; }

}  // namespace resnet

#endif
