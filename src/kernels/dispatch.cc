// Which table this processor gets: the best that CPUID and the operating system (XGETBV: does it save the registers?)
// allow, or the one that RESNET_ISA names.
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "kernels/kernels.h"

namespace resnet {
namespace {

// A table and what an instruction set adds to it.
class ExtendedKernels {
 public:
  ExtendedKernels(const Kernels& base, const KernelExtension& extension, ValueType type)
      : convs_(extension.convs.begin(), extension.convs.end()), table_(base) {
    convs_.insert(convs_.end(), base.convs.begin(), base.convs.end());
    table_.name = extension.name;
    table_.convs = convs_;
    table_.spin[static_cast<int>(type)] = extension.spin;
    if (type == ValueType::kU8) table_.uses_short_weights = false;  // which has products of bytes
  }
  const Kernels& table() const noexcept { return table_; }

 private:
  std::vector<ConvAlgorithm> convs_;
  Kernels table_;
};

const Kernels& with_vnni() noexcept {
  static const ExtendedKernels kKernels(avx512_kernels(), avx512_vnni_kernels(), ValueType::kU8);
  return kKernels.table();
}
const Kernels& with_bf16() noexcept {
  static const ExtendedKernels kKernels(with_vnni(), avx512_bf16_kernels(), ValueType::kBf16);
  return kKernels.table();
}

struct Level {
  std::string_view name;
  bool (*supported)();
  const Kernels& (*table)() noexcept;
};

bool always() { return true; }

// The compiler's own support library reads CPUID and XGETBV.
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
}
bool has_vnni() { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }
bool has_bf16() { return has_vnni() && __builtin_cpu_supports("avx512bf16"); }

// From the plainest to the best.
constexpr Level kLevels[] = {
    {"ref", always, reference_kernels},   {"avx2", has_avx2, avx2_kernels},     {"avx512", has_avx512, avx512_kernels},
    {"avx512_vnni", has_vnni, with_vnni}, {"avx512_bf16", has_bf16, with_bf16},
};

}  // namespace

std::vector<const Kernels*> all_kernels() {
  std::vector<const Kernels*> tables;
  for (const Level& level : kLevels) {
    if (level.supported()) tables.push_back(&level.table());
  }
  return tables;
}

const Kernels& best_kernels() {
  const char* forced = std::getenv("RESNET_ISA");
  if (forced == nullptr || *forced == '\0') return *all_kernels().back();
  std::string names;
  for (const Level& level : kLevels) {
    names.append(names.empty() ? "" : ", ").append(level.name);
    if (level.name != forced) continue;
    if (!level.supported()) fail(ErrorCode::kUnsupported, "RESNET_ISA", "this processor has no {}", forced);
    return level.table();
  }
  fail(ErrorCode::kInvalidArgument, "RESNET_ISA", "'{}' is not one of {}", forced, names);
}

}  // namespace resnet
