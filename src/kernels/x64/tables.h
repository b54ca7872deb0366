// The tables of x86-64's instruction sets, each compiled in a file of its own (kernels_*.cc).
#pragma once

#include "kernels/kernels.h"

namespace resnet {

// What an instruction set adds to the table of another one: convolutions of one type of values.
struct KernelExtension {
  std::span<const ConvAlgorithm> convs;  // preferred to those of the table
  double (*spin)(std::int64_t iterations) noexcept;
};

const Kernels& avx2_kernels() noexcept;
const Kernels& avx512_kernels() noexcept;

// To avx512_kernels(), for kU8; to both, for kBf16.
const KernelExtension& avx512_vnni_kernels() noexcept;
const KernelExtension& avx512_bf16_kernels() noexcept;

// The table of an instruction set other than kRef.
const Kernels& x64_kernels(Isa isa) noexcept;

}  // namespace resnet
