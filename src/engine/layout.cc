#include "engine/layout.h"

#include <algorithm>

#include "engine/kernels/kernels.h"

namespace resnet {

void to_kernel_layout(const FeatureShape& shape, const float* nchw, float* nhwc, std::int64_t begin, std::int64_t end) {
  const std::int64_t channels = shape.channels;
  const std::int64_t plane = shape.height * shape.width;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t image = row / shape.height;
    const float* in = nchw + image * shape.channels * plane + row % shape.height * shape.width;
    float* out = nhwc + row * shape.width * channels;
    for (std::int64_t x = 0; x < shape.width; ++x) {
      for (std::int64_t c = 0; c < channels; ++c) out[x * channels + c] = in[c * plane + x];
    }
  }
}

void from_kernel_layout(const FeatureShape& shape, std::int64_t pitch, const float* nhwc, float* nchw) {
  const std::int64_t plane = shape.height * shape.width;
  for (std::int64_t image = 0; image < shape.batch; ++image) {
    for (std::int64_t c = 0; c < shape.channels; ++c) {
      const float* in = nhwc + image * plane * pitch + c;
      float* out = nchw + (image * shape.channels + c) * plane;
      for (std::int64_t pixel = 0; pixel < plane; ++pixel) out[pixel] = in[pixel * pitch];
    }
  }
}

void pad_shortcut(const FeatureShape& in_shape, const FeatureShape& out_shape, int stride, const float* in, float* out,
                  std::int64_t begin, std::int64_t end) {
  const std::int64_t in_channels = padded_channels(static_cast<int>(in_shape.channels));
  const std::int64_t out_channels = padded_channels(static_cast<int>(out_shape.channels));
  const std::int64_t before = (out_shape.channels - in_shape.channels) / 2;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t image = row / out_shape.height;
    const std::int64_t in_row = image * in_shape.height + row % out_shape.height * stride;
    for (std::int64_t x = 0; x < out_shape.width; ++x) {
      const float* from = in + (in_row * in_shape.width + x * stride) * in_channels;
      float* to = out + (row * out_shape.width + x) * out_channels;
      std::fill(to, to + out_channels, 0.0F);
      std::copy(from, from + in_shape.channels, to + before);
    }
  }
}

}  // namespace resnet
