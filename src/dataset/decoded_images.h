// Pictures that stay decoded in memory, for sets small enough that all of them can. The first epoch decodes them.
#pragma once

#include <atomic>
#include <cstddef>
#include <vector>

#include "dataset/image_set.h"
#include "dataset/transform.h"
#include "resnet/image.h"

namespace resnet {

// Functions may be called from any thread.
class DecodedImages {
 public:
  // Enabled where the whole set takes at most `max_bytes`, judged by a few pictures of it.
  DecodedImages(const ImageSet& images, const Transform& transform, std::size_t max_bytes);

  bool enabled() const noexcept { return !places_.empty(); }

  // Null where the picture is not there (yet). What is there stays.
  const Image* find(std::size_t image) const noexcept;

  // Does nothing where somebody else has kept the same picture meanwhile, or where sizes turn out so unlike those
  // judged by that they would take more than `max_bytes`.
  void keep(std::size_t image, Image pixels);

 private:
  enum class State : unsigned char { kAbsent, kComing, kThere };
  struct Place {
    std::atomic<State> state = State::kAbsent;
    Image pixels;  // of whoever set kComing, then of all
  };

  std::vector<Place> places_;
  std::size_t max_bytes_;
  std::atomic<std::size_t> bytes_ = 0;
};

}  // namespace resnet
