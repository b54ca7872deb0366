// Changes of colours with the bytes that Pillow gives (ImageEnhance, ImageOps, and torchvision's adjust_hue, which
// goes through Pillow's HSV). Pictures are gray or RGB and are changed in place.
#pragma once

#include "augment/augmentation.h"
#include "base/random.h"
#include "resnet/image.h"

namespace resnet {

// Factors: 0 gives the plain picture (black; the mean luma; luma; smoothed), 1 changes nothing, above 1 exaggerates.
void adjust_brightness(Image& image, float factor);
void adjust_contrast(Image& image, float factor);
void adjust_saturation(Image& image, float factor);
void adjust_sharpness(Image& image, float factor);

// Turns the hue by `turns` of -0.5..0.5. Nothing happens to gray pictures.
void adjust_hue(Image& image, double turns);

void posterize(Image& image, int bits);         // keeps the highest `bits` of each value, 0 to 8
void solarize(Image& image, double threshold);  // inverts values from the threshold on
void stretch_contrast(Image& image);            // ImageOps.autocontrast: each channel to 0..255
void equalize(Image& image);                    // ImageOps.equalize: each channel's histogram to a flat one

// torchvision's ColorJitter: the four changes in random order, each with a factor of its own. One whose range is
// nothing is left out.
void jitter_colors(Image& image, const ColorJitter& jitter, Random& random);

}  // namespace resnet
