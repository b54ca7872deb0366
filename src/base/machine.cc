#include "base/machine.h"

#include <unistd.h>

namespace resnet {
namespace {

constexpr std::int64_t kUsualCache = std::int64_t{1} << 20;

Machine ask() noexcept {
  Machine result;
  result.second_level_cache = ::sysconf(_SC_LEVEL2_CACHE_SIZE);  // 0 or -1 where it is not known
  if (result.second_level_cache <= 0) result.second_level_cache = kUsualCache;
  return result;
}

}  // namespace

const Machine& machine() noexcept {
  static const Machine kMachine = ask();
  return kMachine;
}

}  // namespace resnet
