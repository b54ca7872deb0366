// What the size of blocks depends on that is of the machine and not of the instruction set.
#pragma once

#include <cstdint>

namespace resnet {

struct Machine {
  std::int64_t second_level_cache = 0;  // bytes, of one core
};

// Asked of the system at the first call; a cache that it does not tell counts as 1 MiB. May be called from any thread.
const Machine& machine() noexcept;

}  // namespace resnet
