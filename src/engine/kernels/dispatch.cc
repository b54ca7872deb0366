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

// From the plainest to the best.
constexpr Level kLevels[] = {
    {"ref", always, reference_kernels},
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
