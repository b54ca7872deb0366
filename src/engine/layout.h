// Moving values between the world's layout (NCHW) and the kernels' (NHWC; channels padded to kChannelBlock with zeros,
// but the network's input as it comes). `pitch` is the distance of pixels in the latter.
// Functions that take [begin, end) work on those rows, of batch * output height.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"
#include "resnet/graph.h"

namespace resnet {

// Rounded to `format` by the kernels.
void to_kernel_layout(const Kernels& kernels, const FeatureShape& shape, std::int64_t pitch, const float* nchw,
                      const ValueFormat& format, void* nhwc, std::int64_t begin, std::int64_t end);

void from_kernel_layout(const FeatureShape& shape, std::int64_t pitch, const ValueFormat& format, const void* nhwc,
                        float* nchw);

// Option A's shortcut (He et al. 2015, section 4.2): every stride-th pixel; new channels are zero, half before and half
// after the old ones. NHWC in and out, both of `format`.
void pad_shortcut(const FeatureShape& in_shape, const FeatureShape& out_shape, int stride, const ValueFormat& format,
                  const void* in, void* out, std::int64_t begin, std::int64_t end);

// Channels of `first`, whose shape is `in_shape`, then those of `second`. float32, NHWC; works on pixels [begin, end),
// of batch * height * width.
void concatenate(const FeatureShape& in_shape, const FeatureShape& out_shape, const float* first, const float* second,
                 float* out, std::int64_t begin, std::int64_t end);

}  // namespace resnet
