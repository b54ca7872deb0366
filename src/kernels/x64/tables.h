// The tables of x86-64's instruction sets, each compiled in a file of its own (kernels_*.cc).
#pragma once

#include "kernels/kernels.h"

namespace resnet {

const Kernels& avx2_kernels() noexcept;
const Kernels& avx512_kernels() noexcept;

// What these instruction sets add to avx512_kernels(): convolutions of one type, preferred to those that are there.
std::span<const ConvAlgorithm> avx512_vnni_kernels() noexcept;
std::span<const ConvAlgorithm> avx512_bf16_kernels() noexcept;

// The table of an instruction set other than kRef.
const Kernels& x64_kernels(Isa isa) noexcept;

}  // namespace resnet
