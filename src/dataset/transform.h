// From a picture's file, or its pixels, to its place in a batch: decoding, random changes, normalisation.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "augment/augmentation.h"
#include "augment/tensor.h"
#include "base/random.h"
#include "image/normalise.h"
#include "resnet/image.h"
#include "resnet/preprocessing.h"

namespace resnet {

// Immutable; may be used from any thread.
class Transform {
 public:
  // Without an augmentation pictures are prepared as for evaluation. Throws what validate() throws of both.
  Transform(const Preprocessing& how, const std::optional<Augmentation>& augmentation, bool channels_last,
            std::int64_t max_pixels = kMaxPixels);

  const Layout& layout() const noexcept { return layout_; }

  // The pixels of a picture's file; nothing of an array of floats, which is no picture. Fills `notes` in unless null,
  // as the functions below do that take them.
  std::optional<Image> decode(std::span<const std::byte> file, std::string_view where,
                              PictureNotes* notes = nullptr) const;

  // Writes layout().size() values, the same for a file as for the pixels that decode() gives of it. What is drawn comes
  // from `random`. Throws what decode_image(), preprocess() and load_input() throw; kUnsupported for arrays of floats
  // where they would have to be changed.
  void from_file(std::span<const std::byte> file, std::string_view where, Random& random, std::span<float> out,
                 PictureNotes* notes = nullptr) const;
  void from_image(const Image& image, std::string_view where, Random& random, std::span<float> out) const;

 private:
  Image crop(const Image& image, std::string_view where, Random& random) const;
  Image crop_file(std::span<const std::byte> file, std::string_view where, Random& random, PictureNotes* notes) const;
  DecodeOptions decode_options(PictureNotes* notes) const;
  void change(Image image, std::string_view where, Random& random, std::span<float> out) const;
  void interleave(std::span<const float> planes, std::span<float> out) const;

  Preprocessing how_;
  std::optional<Augmentation> augmentation_;
  Layout layout_;
  DecodeOptions decode_;
  ValueTables tables_;
};

}  // namespace resnet
