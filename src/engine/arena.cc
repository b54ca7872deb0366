#include "engine/arena.h"

#include <algorithm>
#include <numeric>

namespace resnet {

ArenaLayout lay_out(const std::vector<ArenaRequest>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return values[a].size > values[b].size; });

  ArenaLayout layout;
  layout.offsets.resize(values.size());
  std::vector<std::size_t> placed;  // by offset
  for (const std::size_t i : order) {
    std::size_t offset = 0;
    for (const std::size_t other : placed) {
      if (values[other].last < values[i].first || values[i].last < values[other].first) continue;
      if (offset + values[i].size <= layout.offsets[other]) break;
      offset = std::max(offset, layout.offsets[other] + values[other].size);
    }
    layout.offsets[i] = offset;
    layout.size = std::max(layout.size, offset + values[i].size);
    const auto after = [&](std::size_t a, std::size_t b) { return layout.offsets[a] < layout.offsets[b]; };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), i, after), i);
  }
  return layout;
}

}  // namespace resnet
