// The pictures of a check as a network takes them under a hypothesis: put in order, normalised.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "resnet/check.h"

namespace resnet {

class PictureSet {
 public:
  // As check_model() takes them.
  PictureSet(std::span<const float> pictures, const FeatureShape& shape) : pictures_(pictures), shape_(shape) {}

  std::int64_t count() const { return shape_.batch; }
  const FeatureShape& shape() const { return shape_; }

  // Pictures `begin` to `end`, NCHW.
  std::vector<float> prepare(const Preprocessing& how, std::int64_t begin, std::int64_t end) const;

 private:
  std::span<const float> pictures_;
  FeatureShape shape_;
};

}  // namespace resnet
