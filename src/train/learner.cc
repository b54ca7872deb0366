#include "train/learner.h"

#include "base/random.h"

namespace resnet {

std::vector<float> draw_block_scale(const Recipe& recipe, int blocks, std::int64_t first, std::int64_t images,
                                    std::int64_t number) {
  if (recipe.stochastic_depth == 0 || blocks == 0) return {};
  Random random(static_cast<std::uint64_t>(recipe.seed) ^ (static_cast<std::uint64_t>(number + 1) << 20));
  std::vector<float> scale;
  for (int block = 0; block < blocks; ++block) {
    const double keep = 1 - recipe.stochastic_depth * (block + 1) / blocks;
    for (std::int64_t i = 0; i < recipe.batch; ++i) {
      const float value = random.uniform() < keep ? static_cast<float>(1 / keep) : 0;
      if (i >= first && i < first + images) scale.push_back(value);
    }
  }
  return scale;
}

}  // namespace resnet
