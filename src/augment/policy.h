// TrivialAugment and RandAugment: one or a few of 14 changes, drawn evenly, each with a magnitude. Ranges and bins are
// those of torchvision's TrivialAugmentWide and RandAugment with 31 bins, the nearest pixel and black around.
#pragma once

#include <array>
#include <string_view>

#include "augment/augmentation.h"
#include "base/random.h"
#include "resnet/image.h"

namespace resnet {

enum class Change {
  kIdentity,
  kShearX,
  kShearY,
  kTranslateX,
  kTranslateY,
  kRotate,
  kBrightness,
  kColor,
  kContrast,
  kSharpness,
  kPosterize,
  kSolarize,
  kAutoContrast,
  kEqualize
};
inline constexpr int kChanges = 14;
inline constexpr int kMagnitudeBins = 31;

std::string_view name(Change change) noexcept;  // as torchvision calls it: "ShearX", "AutoContrast"

// The magnitude of a bin, 0 to 30, for a picture of the size; 0 for changes that have none. Degrees, pixels, levels,
// bits or thresholds, as apply() takes them.
float trivial_magnitude(Change change, int bin);
float rand_magnitude(Change change, int bin, int width, int height);

// True for changes whose magnitude gets a random sign.
bool has_sign(Change change) noexcept;

// torchvision's _apply_op.
void apply(Image& image, Change change, float magnitude);

void trivial_augment(Image& image, Random& random);
void rand_augment(Image& image, const RandAugment& how, Random& random);

}  // namespace resnet
