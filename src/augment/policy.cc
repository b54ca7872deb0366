#include "augment/policy.h"

#include <cmath>

#include "augment/affine.h"
#include "augment/color.h"

namespace resnet {
namespace {

// torch.linspace in float32: the second half is counted from the end, products and sums are rounded once.
float linspace(float begin, float end, int bin) {
  const float step = (end - begin) / (kMagnitudeBins - 1);
  return bin < kMagnitudeBins / 2 ? std::fma(step, static_cast<float>(bin), begin)
                                  : std::fma(-step, static_cast<float>(kMagnitudeBins - 1 - bin), end);
}

// 8 bits less 0 to `most`, halves to the even number.
float posterize_bits(int most, int bin) {
  const float step = static_cast<float>(kMagnitudeBins - 1) / static_cast<float>(most);
  return 8 - std::nearbyint(static_cast<float>(bin) / step);
}

Change draw_change(Random& random) { return static_cast<Change>(random.below(kChanges)); }

float draw_sign(Change change, float magnitude, Random& random) {
  return has_sign(change) && random.below(2) == 1 ? -magnitude : magnitude;
}

}  // namespace

std::string_view name(Change change) noexcept {
  static constexpr std::array<std::string_view, kChanges> kNames = {
      "Identity", "ShearX",   "ShearY",    "TranslateX", "TranslateY", "Rotate",       "Brightness",
      "Color",    "Contrast", "Sharpness", "Posterize",  "Solarize",   "AutoContrast", "Equalize"};
  return kNames[static_cast<std::size_t>(change)];
}

float trivial_magnitude(Change change, int bin) {
  switch (change) {
    case Change::kShearX:
    case Change::kShearY:
    case Change::kBrightness:
    case Change::kColor:
    case Change::kContrast:
    case Change::kSharpness: return linspace(0, 0.99F, bin);
    case Change::kTranslateX:
    case Change::kTranslateY: return linspace(0, 32, bin);
    case Change::kRotate: return linspace(0, 135, bin);
    case Change::kPosterize: return posterize_bits(6, bin);
    case Change::kSolarize: return linspace(255, 0, bin);
    default: return 0;
  }
}

float rand_magnitude(Change change, int bin, int width, int height) {
  const auto shift = [&](int size) { return linspace(0, static_cast<float>(150.0 / 331.0 * size), bin); };
  switch (change) {
    case Change::kShearX:
    case Change::kShearY: return linspace(0, 0.3F, bin);
    case Change::kTranslateX: return shift(width);
    case Change::kTranslateY: return shift(height);
    case Change::kRotate: return linspace(0, 30, bin);
    case Change::kBrightness:
    case Change::kColor:
    case Change::kContrast:
    case Change::kSharpness: return linspace(0, 0.9F, bin);
    case Change::kPosterize: return posterize_bits(4, bin);
    case Change::kSolarize: return linspace(255, 0, bin);
    default: return 0;
  }
}

bool has_sign(Change change) noexcept { return change >= Change::kShearX && change <= Change::kSharpness; }

void apply(Image& image, Change change, float magnitude) {
  const auto factor = static_cast<float>(1.0 + static_cast<double>(magnitude));
  switch (change) {
    case Change::kIdentity: return;
    case Change::kShearX: image = shear_x(image, magnitude); return;
    case Change::kShearY: image = shear_y(image, magnitude); return;
    case Change::kTranslateX: image = translate(image, static_cast<int>(magnitude), 0); return;
    case Change::kTranslateY: image = translate(image, 0, static_cast<int>(magnitude)); return;
    case Change::kRotate: image = rotate(image, magnitude); return;
    case Change::kBrightness: adjust_brightness(image, factor); return;
    case Change::kColor: adjust_saturation(image, factor); return;
    case Change::kContrast: adjust_contrast(image, factor); return;
    case Change::kSharpness: adjust_sharpness(image, factor); return;
    case Change::kPosterize: posterize(image, static_cast<int>(magnitude)); return;
    case Change::kSolarize: solarize(image, magnitude); return;
    case Change::kAutoContrast: stretch_contrast(image); return;
    case Change::kEqualize: equalize(image); return;
  }
}

void trivial_augment(Image& image, Random& random) {
  const Change change = draw_change(random);
  const int bin = random.below(kMagnitudeBins);
  apply(image, change, draw_sign(change, trivial_magnitude(change, bin), random));
}

void rand_augment(Image& image, const RandAugment& how, Random& random) {
  for (int i = 0; i < how.operations; ++i) {
    const Change change = draw_change(random);
    apply(image, change, draw_sign(change, rand_magnitude(change, how.magnitude, image.width, image.height), random));
  }
}

}  // namespace resnet
