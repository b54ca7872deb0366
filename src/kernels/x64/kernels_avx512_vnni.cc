// What AVX-512 VNNI adds: convolutions of bytes. CMake sets this file's flags; nothing here may be shared with other
// files (see tests/check_kernel_symbols.py), or the linker could give its code to processors that cannot run it.
#include "base/isa.h"
#if RESNET_X64_KERNELS

#include "kernels/vector/conv_direct.h"
#include "kernels/vector/conv_rows.h"
#include "kernels/x64/tables.h"
#include "kernels/x64/vector_avx512_vnni.h"

namespace resnet {
namespace {

using Product = ByteProduct<Avx512Vnni>;

constexpr ConvAlgorithm kConvs[] = {
    row_conv<Product>("int8 direct rows 14x32"),
    direct_conv<Product>("int8 direct 14x32"),
};

}  // namespace

std::span<const ConvAlgorithm> avx512_vnni_kernels() noexcept { return kConvs; }

}  // namespace resnet

#endif
