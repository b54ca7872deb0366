#include "engine/layout.h"

#include <algorithm>

#include "base/bfloat16.h"
#include "engine/kernels/quantize.h"

namespace resnet {
namespace {

// Calls work(to, from) with functions from float32 to the stored type and back; `to` returns that type.
template <typename Work>
void with_format(const ValueFormat& format, Work work) {
  switch (format.type) {
    case ValueType::kF32: {
      const auto same = [](float value) { return value; };
      return work(same, same);
    }
    case ValueType::kBf16: return work(float_to_bfloat16, bfloat16_to_float);
    case ValueType::kU8: {
      const float inverse = 1 / format.scale;
      const float zero = format.zero_point;
      return work([=](float value) { return quantize(value, inverse, zero); },
                  [&, zero](std::uint8_t number) { return dequantize(number, format.scale, zero); });
    }
  }
}

template <typename T>
void pad_rows(const FeatureShape& in_shape, const FeatureShape& out_shape, int stride, T zero, const void* input,
              void* output, std::int64_t begin, std::int64_t end) {
  const std::int64_t in_channels = padded_channels(static_cast<int>(in_shape.channels));
  const std::int64_t out_channels = padded_channels(static_cast<int>(out_shape.channels));
  const std::int64_t before = (out_shape.channels - in_shape.channels) / 2;
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t image = row / out_shape.height;
    const std::int64_t in_row = image * in_shape.height + row % out_shape.height * stride;
    for (std::int64_t x = 0; x < out_shape.width; ++x) {
      const T* from = static_cast<const T*>(input) + (in_row * in_shape.width + x * stride) * in_channels;
      T* to = static_cast<T*>(output) + (row * out_shape.width + x) * out_channels;
      std::fill(to, to + out_channels, zero);
      std::copy(from, from + in_shape.channels, to + before);
    }
  }
}

}  // namespace

void to_kernel_layout(const FeatureShape& shape, std::int64_t pitch, const float* nchw, const ValueFormat& format,
                      void* nhwc, std::int64_t begin, std::int64_t end) {
  const std::int64_t channels = shape.channels;
  const std::int64_t plane = shape.height * shape.width;
  with_format(format, [&](auto to, auto) {
    using T = decltype(to(0.0F));
    for (std::int64_t row = begin; row < end; ++row) {
      const std::int64_t image = row / shape.height;
      const float* in = nchw + image * shape.channels * plane + row % shape.height * shape.width;
      T* out = static_cast<T*>(nhwc) + row * shape.width * pitch;
      for (std::int64_t c = 0; c < channels; ++c) {
        for (std::int64_t x = 0; x < shape.width; ++x) out[x * pitch + c] = to(in[c * plane + x]);
      }
      for (std::int64_t c = channels; c < pitch; ++c) {
        for (std::int64_t x = 0; x < shape.width; ++x) out[x * pitch + c] = to(0.0F);
      }
    }
  });
}

void from_kernel_layout(const FeatureShape& shape, std::int64_t pitch, const ValueFormat& format, const void* nhwc,
                        float* nchw) {
  const std::int64_t plane = shape.height * shape.width;
  with_format(format, [&](auto to, auto from) {
    using T = decltype(to(0.0F));
    for (std::int64_t image = 0; image < shape.batch; ++image) {
      for (std::int64_t c = 0; c < shape.channels; ++c) {
        const T* in = static_cast<const T*>(nhwc) + image * plane * pitch + c;
        float* out = nchw + (image * shape.channels + c) * plane;
        for (std::int64_t pixel = 0; pixel < plane; ++pixel) out[pixel] = from(in[pixel * pitch]);
      }
    }
  });
}

void pad_shortcut(const FeatureShape& in_shape, const FeatureShape& out_shape, int stride, const ValueFormat& format,
                  const void* in, void* out, std::int64_t begin, std::int64_t end) {
  switch (format.type) {
    case ValueType::kF32: return pad_rows(in_shape, out_shape, stride, 0.0F, in, out, begin, end);
    case ValueType::kBf16: return pad_rows(in_shape, out_shape, stride, std::uint16_t{0}, in, out, begin, end);
    case ValueType::kU8: return pad_rows(in_shape, out_shape, stride, format.zero_point, in, out, begin, end);
  }
}

}  // namespace resnet
