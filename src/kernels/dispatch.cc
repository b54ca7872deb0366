// Which table an instruction set has, and what a table has for a type of values.
#include <algorithm>

#include "kernels/kernels.h"
#if RESNET_X64_KERNELS
#include "kernels/x64/tables.h"
#endif

namespace resnet {
namespace {

auto first_of(std::span<const ConvAlgorithm> convs, ValueType type) noexcept {
  return std::find_if(convs.begin(), convs.end(), [&](const ConvAlgorithm& conv) { return conv.type == type; });
}

}  // namespace

bool Kernels::multiplies(ValueType type) const noexcept { return first_of(convs, type) != convs.end(); }

WeightRule Kernels::weight_rule() const noexcept { return first_of(convs, ValueType::kU8)->weights; }

double Kernels::spin(ValueType type, std::int64_t iterations) const noexcept {
  return first_of(convs, type)->spin(iterations);
}

const Kernels& kernels_for(Isa isa) noexcept {
#if RESNET_X64_KERNELS
  if (isa != Isa::kRef) return x64_kernels(isa);
#else
  static_cast<void>(isa);
#endif
  return reference_kernels();
}

const Kernels& best_kernels() { return kernels_for(chosen_isa()); }

}  // namespace resnet
