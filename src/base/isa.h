// The instruction sets that code is written for: which there are, which of them this processor has, and the one that
// is used, as RESNET_ISA may say. Whatever is compiled for several of them (convolutions, image resampling, batch norm
// in training) asks here and nowhere else.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

// Whether this build has code for x86-64's instruction sets. CMake's RESNET_KERNELS=generic leaves it out.
#if defined(__x86_64__) && !defined(RESNET_GENERIC_KERNELS)
#define RESNET_X64_KERNELS 1
#else
#define RESNET_X64_KERNELS 0
#endif

namespace resnet {

// From the plainest to the best. Each of x86-64 comes with those before it.
enum class Isa : std::uint8_t {
  kRef,         // plain C++, on every processor
  kAvx2,        // and FMA
  kAvx512,      // F, VL, BW and DQ
  kAvx512Vnni,  // products of bytes
  kAvx512Bf16,  // products of bfloat16
};

std::span<const Isa> all_isas() noexcept;

// As RESNET_ISA and JSON name it: "avx512_vnni".
std::string_view name(Isa isa) noexcept;

// Whether the processor and the operating system have it (does it save the registers?), and this build has code for it.
bool is_supported(Isa isa) noexcept;

// The best that is supported, or the one that the environment variable RESNET_ISA names, unless it is empty. Throws
// kInvalidArgument for an unknown name, kUnsupported for one that is not supported here.
Isa chosen_isa();

}  // namespace resnet
