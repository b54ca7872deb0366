#include "kernels/x64/tables.h"

#include <vector>

#if RESNET_X64_KERNELS

namespace resnet {
namespace {

// A table and the convolutions that an instruction set adds to it.
class ExtendedKernels {
 public:
  ExtendedKernels(Isa isa, const Kernels& base, std::span<const ConvAlgorithm> added)
      : convs_(added.begin(), added.end()), table_(base) {
    convs_.insert(convs_.end(), base.convs.begin(), base.convs.end());
    table_.isa = isa;
    table_.convs = convs_;
  }
  const Kernels& table() const noexcept { return table_; }

 private:
  std::vector<ConvAlgorithm> convs_;
  Kernels table_;
};

const Kernels& with_vnni() noexcept {
  static const ExtendedKernels kKernels(Isa::kAvx512Vnni, avx512_kernels(), avx512_vnni_kernels());
  return kKernels.table();
}
const Kernels& with_bf16() noexcept {
  static const ExtendedKernels kKernels(Isa::kAvx512Bf16, with_vnni(), avx512_bf16_kernels());
  return kKernels.table();
}

}  // namespace

const Kernels& x64_kernels(Isa isa) noexcept {
  switch (isa) {
    case Isa::kRef:
    case Isa::kAvx2: break;
    case Isa::kAvx512: return avx512_kernels();
    case Isa::kAvx512Vnni: return with_vnni();
    case Isa::kAvx512Bf16: return with_bf16();
  }
  return avx2_kernels();
}

}  // namespace resnet

#endif
