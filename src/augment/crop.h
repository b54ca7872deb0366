// Random parts of a picture: which part, and cutting it out.
#pragma once

#include "augment/augmentation.h"
#include "base/random.h"
#include "image/decoders.h"
#include "image/resample.h"
#include "resnet/image.h"

namespace resnet {

// torchvision's RandomResizedCrop.get_params: ten tries at an area and a ratio that fit, else the centre with the
// nearest ratio. The part is not empty and lies within the picture.
Window choose_resized_crop(const RandomResizedCrop& crop, int width, int height, Random& random);

// The window, resized as resize() would resize it alone. `picture` holds at least the window's pixels.
Image resized_crop(const View& picture, const Window& window, int width, int height, Interpolation interpolation);

// torchvision's RandomCrop.get_params for a picture with `padding` pixels around it: the corner of a part of the size
// wanted, in the coordinates of the picture without padding. A picture that is too small even so is centred.
Window choose_padded_crop(const PadAndCrop& crop, int width, int height, int to_width, int to_height, Random& random);

// The window, black where it lies outside the picture.
Image padded_crop(const Image& image, const Window& window);

// Mirrors left and right.
void flip_horizontally(Image& image);

}  // namespace resnet
