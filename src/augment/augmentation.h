// How training pictures are changed at random, with the semantics of torchvision's transforms. What is chosen for a
// picture comes from a generator of its own, so that it depends on nothing but the seed, the epoch and the picture.
//
// The order is that of torchvision's reference training: crop, flip, one policy or colour jitter, normalisation, random
// erasing; mixup or cutmix on whole batches.
#pragma once

#include <optional>

namespace resnet {

// RandomResizedCrop: a part of random area and aspect ratio, resized to the tensor's size (Szegedy et al. 2015, "Going
// Deeper with Convolutions", section 6).
struct RandomResizedCrop {
  double min_area = 0.08;  // fractions of the picture's
  double max_area = 1.0;
  double min_ratio = 3.0 / 4.0;  // width to height
  double max_ratio = 4.0 / 3.0;
};

// RandomCrop: `padding` black pixels around the picture, then a part of the tensor's size at random (He et al. 2015,
// section 4.2). Pictures are first resized as for evaluation, by their shorter side.
struct PadAndCrop {
  int padding = 4;
};

// ColorJitter: factors from [1 - x, 1 + x] (not below 0), the hue's shift from [-hue, hue] turns, in random order.
struct ColorJitter {
  double brightness = 0;
  double contrast = 0;
  double saturation = 0;
  double hue = 0;  // at most 0.5
};

// RandAugment (Cubuk et al. 2019): `operations` of 14, each with magnitude `magnitude` of 31 bins.
struct RandAugment {
  int operations = 2;
  int magnitude = 9;
};

// RandomErasing (Zhong et al. 2017): a rectangle of zeros in the normalised picture.
struct RandomErasing {
  double probability = 0;
  double min_area = 0.02;
  double max_area = 0.33;
  double min_ratio = 0.3;
  double max_ratio = 3.3;
};

struct Augmentation {
  // At most one of the two; without both, the resize and centre crop of evaluation.
  std::optional<RandomResizedCrop> resized_crop;
  std::optional<PadAndCrop> padded_crop;
  double flip = 0;  // probability of a horizontal flip
  ColorJitter jitter;
  bool trivial_augment = false;  // TrivialAugmentWide (Mueller and Hutter 2021); not with RandAugment
  std::optional<RandAugment> rand_augment;
  RandomErasing erasing;
  double mixup = 0;   // alpha of the Beta distribution (Zhang et al. 2017); 0: none
  double cutmix = 0;  // the same (Yun et al. 2019). With both, each batch gets one of them by the flip of a coin
};

// Throws kInvalidArgument naming the field where a value makes no sense: a probability outside 0..1, a minimum above
// its maximum, not a number, two crops, two policies, ...
void validate(const Augmentation& augmentation);

}  // namespace resnet
