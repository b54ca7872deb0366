// Geometric changes of a picture by Pillow's Image.transform with the nearest pixel: black where nothing is.
#pragma once

#include <array>

#include "resnet/image.h"

namespace resnet {

// The output's pixel (x, y) is the input's at (m[0] x + m[1] y + m[2], m[3] x + m[4] y + m[5]), pixel centres at
// halves.
Image transform(const Image& image, const std::array<double, 6>& matrix);

// Counter-clockwise about the centre (Image.rotate without expansion).
Image rotate(const Image& image, double degrees);

// As torchvision's policies call them: a shear by `level` about the top left corner, a shift by whole pixels.
Image shear_x(const Image& image, double level);
Image shear_y(const Image& image, double level);
Image translate(const Image& image, int right, int down);

}  // namespace resnet
