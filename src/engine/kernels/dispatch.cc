// Which table this processor gets: the best that CPUID and the operating system (XGETBV: does it save the registers?)
// allow, or the one that RESNET_ISA names.
#include <cstdlib>
#include <iterator>
#include <string>
#include <string_view>

#include "base/error.h"
#include "engine/kernels/kernels.h"

namespace resnet {
namespace {

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

// From the plainest to the best.
constexpr Level kLevels[] = {
    {"ref", always, reference_kernels},
    {"avx2", has_avx2, avx2_kernels},
    {"avx512", has_avx512, avx512_kernels},
};

std::string level_names() {
  std::string names;
  for (const Level& level : kLevels) names.append(names.empty() ? "" : ", ").append(level.name);
  return names;
}

}  // namespace

const Kernels& best_kernels() {
  const char* forced = std::getenv("RESNET_ISA");
  if (forced != nullptr) {
    for (const Level& level : kLevels) {
      if (level.name != forced) continue;
      if (!level.supported()) fail(ErrorCode::kUnsupported, "RESNET_ISA", "this processor has no {}", forced);
      return level.table();
    }
    fail(ErrorCode::kInvalidArgument, "RESNET_ISA", "'{}' is not one of {}", forced, level_names());
  }
  for (auto level = std::rbegin(kLevels); level != std::rend(kLevels); ++level) {
    if (level->supported()) return level->table();
  }
  return reference_kernels();
}

}  // namespace resnet
