// How a camera was held, told by a picture's EXIF or XMP data, and turning the picture accordingly.
#pragma once

#include <cstddef>
#include <span>

#include "resnet/image.h"

namespace resnet {

// The orientation, 1 to 8: that of EXIF where it says one, else that of XMP, else 1. Broken data says nothing.
int orientation(std::span<const std::byte> exif, std::span<const std::byte> xmp);

// The picture as it should be seen (EXIF 2.3, tag 0x0112).
Image turn(Image image, int orientation);

}  // namespace resnet
