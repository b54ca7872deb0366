#include "base/isa.h"

#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "base/error.h"
#include "base/text.h"

namespace resnet {
namespace {

constexpr Isa kIsas[] = {Isa::kRef, Isa::kAvx2, Isa::kAvx512, Isa::kAvx512Vnni, Isa::kAvx512Bf16};
constexpr std::string_view kNames[] = {"ref", "avx2", "avx512", "avx512_vnni", "avx512_bf16"};
static_assert(std::size(kIsas) == std::size(kNames));

}  // namespace

std::span<const Isa> all_isas() noexcept { return kIsas; }

std::string_view name(Isa isa) noexcept { return kNames[static_cast<std::size_t>(isa)]; }

bool is_supported(Isa isa) noexcept {
#if RESNET_X64_KERNELS
  // The compiler's own support library reads CPUID and XGETBV.
  switch (isa) {
    case Isa::kRef: return true;
    case Isa::kAvx2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case Isa::kAvx512:
      return is_supported(Isa::kAvx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
    case Isa::kAvx512Vnni: return is_supported(Isa::kAvx512) && __builtin_cpu_supports("avx512vnni");
    case Isa::kAvx512Bf16: return is_supported(Isa::kAvx512Vnni) && __builtin_cpu_supports("avx512bf16");
  }
  return false;
#else
  return isa == Isa::kRef;
#endif
}

Isa chosen_isa() {
  const char* forced = std::getenv("RESNET_ISA");
  if (forced == nullptr || *forced == '\0') {
    return *std::find_if(std::rbegin(kIsas), std::rend(kIsas), is_supported);
  }
  const auto* const place = std::find(std::begin(kNames), std::end(kNames), std::string_view(forced));
  if (place == std::end(kNames)) {
    fail(ErrorCode::kInvalidArgument, "RESNET_ISA", "'{}' is not one of {}", one_line(forced), fmt::join(kNames, ", "));
  }
  const Isa isa = kIsas[place - std::begin(kNames)];
  if (!is_supported(isa)) {
    fail(ErrorCode::kUnsupported, "RESNET_ISA", "{} has no {}", RESNET_X64_KERNELS ? "this processor" : "this build",
         forced);
  }
  return isa;
}

}  // namespace resnet
