// What AVX-512 BF16 adds: convolutions of bfloat16. CMake sets this file's flags; nothing here may be shared with other
// files (see tests/check_kernel_symbols.py), or the linker could give its code to processors that cannot run it.
#include "base/isa.h"
#if RESNET_X64_KERNELS

#include "kernels/vector/conv_direct.h"
#include "kernels/vector/conv_rows.h"
#include "kernels/vector/winograd.h"
#include "kernels/x64/tables.h"
#include "kernels/x64/vector_avx512_bf16.h"

namespace resnet {
namespace {

using Product = Bf16Product<Avx512Bf16>;

constexpr ConvAlgorithm kConvs[] = {
    winograd_conv<Product, 2>("bf16 winograd 2x2"),
    row_conv<Product>("bf16 direct rows 14x32"),
    direct_conv<Product>("bf16 direct 14x32"),
};

}  // namespace

std::span<const ConvAlgorithm> avx512_bf16_kernels() noexcept { return kConvs; }

}  // namespace resnet

#endif
