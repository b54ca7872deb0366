#include "dataset/decoded_images.h"

#include <algorithm>

#include "resnet/error.h"

namespace resnet {
namespace {

// What a set's pictures take decoded; SIZE_MAX where that cannot be told.
std::size_t estimate(const ImageSet& images, const Transform& transform) {
  constexpr std::size_t kProbes = 16;
  const std::size_t probes = std::min(kProbes, images.size());
  std::size_t bytes = 0;
  std::size_t good = 0;
  for (std::size_t i = 0; i < probes; ++i) {
    const std::size_t image = i * images.size() / probes;
    try {
      const FileBytes file = images.read(image);
      const std::optional<Image> pixels = transform.decode(file.bytes, images.path(image));
      if (!pixels) continue;
      bytes += pixels->pixels.size() + sizeof(Image);
      ++good;
    } catch (const Error&) {  // a bad picture; whoever loads it will say so
    }
  }
  return good == 0 ? SIZE_MAX : bytes / good * images.size();
}

}  // namespace

DecodedImages::DecodedImages(const ImageSet& images, const Transform& transform, std::size_t max_bytes)
    : max_bytes_(max_bytes) {
  constexpr std::size_t kLeast = 64;  // bytes that any picture takes: large sets need no look at them
  if (images.size() > max_bytes / kLeast || estimate(images, transform) > max_bytes) return;
  places_ = std::vector<Place>(images.size());
}

const Image* DecodedImages::find(std::size_t image) const noexcept {
  if (!enabled() || places_[image].state.load(std::memory_order_acquire) != State::kThere) return nullptr;
  return &places_[image].pixels;
}

void DecodedImages::keep(std::size_t image, Image pixels) {
  const std::size_t size = pixels.pixels.size() + sizeof(Image);
  if (bytes_.load(std::memory_order_relaxed) + size > max_bytes_) return;
  Place& place = places_[image];
  State expected = State::kAbsent;
  if (!place.state.compare_exchange_strong(expected, State::kComing)) return;
  bytes_ += size;
  place.pixels = std::move(pixels);
  place.state.store(State::kThere, std::memory_order_release);
}

}  // namespace resnet
