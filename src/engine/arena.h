// Where in one block of memory each value of a plan lies, so that values that are never needed at the same time share
// room.
#pragma once

#include <cstddef>
#include <vector>

namespace resnet {

// Something that needs `size` units from step `first` to step `last`, both included.
struct ArenaRequest {
  std::size_t size = 0;
  int first = 0;
  int last = 0;
};

struct ArenaLayout {
  std::vector<std::size_t> offsets;  // one per request
  std::size_t size = 0;
};

// Greedy by size (Pisarchyk and Lee 2020, arXiv:2001.03288, section 5.2): the largest first, each at the lowest place
// that is free during its lifetime.
ArenaLayout lay_out(const std::vector<ArenaRequest>& values);

}  // namespace resnet
