#include "augment/augmentation.h"

#include <cmath>
#include <string_view>

#include "base/error.h"

namespace resnet {
namespace {

void check(bool right, std::string_view field, double value, std::string_view wanted) {
  if (right) return;
  fail(ErrorCode::kInvalidArgument, "augmentation", "{}: {} is not {}", field, value, wanted);
}

void check_probability(std::string_view field, double value) {
  check(value >= 0 && value <= 1, field, value, "between 0 and 1");
}

// A range of what must be above zero.
void check_range(std::string_view field, double low, double high, double most) {
  check(low > 0 && low <= most, field, low, "above 0 and within its limit");
  check(high >= low && high <= most, field, high, "between its minimum and its limit");
}

constexpr double kMaxRatio = 1000;

}  // namespace

void validate(const Augmentation& a) {
  if (a.resized_crop && a.padded_crop) {
    fail(ErrorCode::kInvalidArgument, "augmentation", "a random resized crop and pad-and-crop exclude each other");
  }
  if (a.trivial_augment && a.rand_augment) {
    fail(ErrorCode::kInvalidArgument, "augmentation", "TrivialAugment and RandAugment exclude each other");
  }
  if (a.resized_crop) {
    check_range("area of the random crop", a.resized_crop->min_area, a.resized_crop->max_area, 1);
    check_range("ratio of the random crop", a.resized_crop->min_ratio, a.resized_crop->max_ratio, kMaxRatio);
  }
  if (a.padded_crop) {
    const int padding = a.padded_crop->padding;
    check(padding >= 0 && padding <= 1024, "padding", padding, "between 0 and 1024");
  }
  check_probability("flip", a.flip);
  constexpr double kMaxFactor = 100;
  check(a.jitter.brightness >= 0 && a.jitter.brightness <= kMaxFactor, "brightness", a.jitter.brightness,
        "between 0 and 100");
  check(a.jitter.contrast >= 0 && a.jitter.contrast <= kMaxFactor, "contrast", a.jitter.contrast, "between 0 and 100");
  check(a.jitter.saturation >= 0 && a.jitter.saturation <= kMaxFactor, "saturation", a.jitter.saturation,
        "between 0 and 100");
  check(a.jitter.hue >= 0 && a.jitter.hue <= 0.5, "hue", a.jitter.hue, "between 0 and 0.5");
  if (a.rand_augment) {
    const RandAugment& rand = *a.rand_augment;
    check(rand.operations >= 1 && rand.operations <= 14, "operations of RandAugment", rand.operations,
          "between 1 and 14");
    check(rand.magnitude >= 0 && rand.magnitude <= 30, "magnitude of RandAugment", rand.magnitude, "between 0 and 30");
  }
  check_probability("probability of erasing", a.erasing.probability);
  check_range("area of erasing", a.erasing.min_area, a.erasing.max_area, 1);
  check_range("ratio of erasing", a.erasing.min_ratio, a.erasing.max_ratio, kMaxRatio);
  constexpr double kMaxAlpha = 1000;
  check(a.mixup >= 0 && a.mixup <= kMaxAlpha, "mixup", a.mixup, "between 0 and 1000");
  check(a.cutmix >= 0 && a.cutmix <= kMaxAlpha, "cutmix", a.cutmix, "between 0 and 1000");
}

}  // namespace resnet
