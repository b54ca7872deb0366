// Parts of preprocess() for those who change the pixels in between.
#pragma once

#include <cstdint>
#include <string_view>

#include "formats/npy.h"
#include "resnet/image.h"
#include "resnet/preprocessing.h"

namespace resnet {

// The resize and centre crop of preprocess(): how.width x how.height pixels, black where the picture does not reach.
// Throws kMismatch where the channels or an unresized picture do not fit `how`.
Image fit(const Image& image, const Preprocessing& how, std::string_view where);

// The picture that a uint8 array of shape HxW or HxWxC is. Throws kMismatch for other arrays, kFormat and kLimit for
// sizes of no picture. `where` names it.
Image array_image(const NpyArray& array, std::string_view where, std::int64_t max_pixels);

}  // namespace resnet
