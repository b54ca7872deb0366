// Pictures for the tests of this room, made in memory by the formats' own libraries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "resnet/image.h"

namespace resnet::testing {

using Bytes = std::vector<std::byte>;

// Smooth waves with noise, the same for the same size, channels and seed.
Image make_picture(int width, int height, int channels, unsigned seed = 1);

struct JpegOptions {
  int quality = 90;
  int horizontal_sampling = 1;  // of luma, chroma has 1
  int vertical_sampling = 1;
  bool progressive = false;
  int restart_interval = 0;  // in MCUs
};
Bytes make_jpeg(const Image& image, const JpegOptions& options);  // 1: gray, 3: RGB, 4: CMYK
Bytes make_png(const Image& image, bool interlaced);              // 1 to 4 channels
Bytes make_webp(const Image& image, bool lossless);               // 3 or 4 channels

}  // namespace resnet::testing
