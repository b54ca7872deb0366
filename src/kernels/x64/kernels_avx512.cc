// The table for AVX-512 F, VL, BW and DQ. CMake sets this file's flags; nothing here may be shared with other files
// (see tests/check_kernel_symbols.py), or the linker could give its code to processors that cannot run it.
#include "base/isa.h"
#if RESNET_X64_KERNELS

#include "kernels/vector/conv_direct.h"
#include "kernels/vector/conv_rows.h"
#include "kernels/vector/conv_strassen.h"
#include "kernels/vector/elementwise.h"
#include "kernels/vector/pools.h"
#include "kernels/vector/winograd.h"
#include "kernels/x64/tables.h"
#include "kernels/x64/vector_avx512.h"

namespace resnet {
namespace {

using Floats = F32Product<Avx512>;
using Numbers = WordProduct<Avx512>;
using ShortNumbers = ShortProduct<Avx512Short>;

constexpr ConvAlgorithm kConvs[] = {
    winograd_conv<Floats, 4>("winograd 4x4"),
    winograd_conv<Floats, 3, 4>("winograd 3x3 of phases"),
    winograd_conv<Floats, 2>("winograd 2x2"),
    strassen_conv<Floats>("strassen 14x32"),
    row_conv<Floats>("direct rows 14x32"),
    direct_conv<Floats>("direct 14x32"),
    row_conv<ShortNumbers>("int8 direct short rows 12x32"),
    direct_conv<ShortNumbers>("int8 direct short 12x32"),
    row_conv<Numbers>("int8 direct rows 14x32"),
    direct_conv<Numbers>("int8 direct 14x32"),
};

constinit const Kernels kTable = {
    Isa::kAvx512,     kConvs,
    max_pool<Avx512>, average_pool<Avx512>,
    blur<Avx512>,     global_average_pool<Avx512>,
    add<Avx512>,      scale_shift<Avx512>,
    curve<Avx512>,    convert<Avx512>,
};

}  // namespace

const Kernels& avx512_kernels() noexcept { return kTable; }

}  // namespace resnet

#endif
