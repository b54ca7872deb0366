// The pictures of a check as a network takes them under a hypothesis: cropped, put in order, normalised.
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

  // From now on pictures are cropped so; each several times where they are few.
  void crop(Crops crops) { crops_ = crops; }
  Crops crops() const { return crops_; }

  // Tensors there are, and the picture that one of them shows.
  std::int64_t count() const;
  std::int64_t picture_of(std::int64_t tensor) const { return tensor % shape_.batch; }
  const FeatureShape& shape() const { return shape_; }

  // Tensors `begin` to `end`, NCHW. The same crops under every hypothesis.
  std::vector<float> prepare(const Preprocessing& how, std::int64_t begin, std::int64_t end) const;

 private:
  std::span<const float> pictures_;
  FeatureShape shape_;  // its batch: how many pictures
  Crops crops_ = Crops::kNone;
};

}  // namespace resnet
