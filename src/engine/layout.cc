#include "engine/layout.h"

#include <algorithm>

#include "base/bfloat16.h"
#include "base/buffer.h"
#include "kernels/quantize.h"

namespace resnet {
namespace {

constexpr std::int64_t kLine = 256;  // values converted together, in whole blocks

// `count` values of each of kChannels lines, of which line c gives channel c of pixels `pitch` values apart.
template <int kChannels, typename T>
void interleave(const T* const* lines, std::int64_t count, std::int64_t pitch, T* out) {
  for (std::int64_t x = 0; x < count; ++x, out += pitch) {
    for (int c = 0; c < kChannels; ++c) out[c] = lines[c][x];
  }
}

// Rows [begin, end) as values of T: of channels, and zeros between them and the next pixel. convert(from, count, room)
// gives values that are side by side in the stored type; it may put them into `room`, for kLine values.
template <typename T, typename Convert>
void spread_rows(const FeatureShape& shape, std::int64_t pitch, const float* nchw, T zero, void* nhwc,
                 std::int64_t begin, std::int64_t end, Convert convert) {
  constexpr int kColors = 3;  // of a picture, written together
  alignas(kAlignment) T room[kColors][kLine];
  const std::int64_t plane = shape.height * shape.width;
  for (std::int64_t row = begin; row < end; ++row) {
    const float* in = nchw + row / shape.height * shape.channels * plane + row % shape.height * shape.width;
    T* out = static_cast<T*>(nhwc) + row * shape.width * pitch;
    for (std::int64_t first = 0; first < shape.width; first += kLine) {
      const std::int64_t count = std::min(kLine, shape.width - first);
      T* to = out + first * pitch;
      std::int64_t c = 0;
      for (; c + kColors <= shape.channels; c += kColors) {
        const T* lines[kColors];
        for (int i = 0; i < kColors; ++i) lines[i] = convert(in + (c + i) * plane + first, count, room[i]);
        interleave<kColors>(lines, count, pitch, to + c);
      }
      for (; c < shape.channels; ++c) {
        const T* line = convert(in + c * plane + first, count, room[0]);
        interleave<1>(&line, count, pitch, to + c);
      }
      for (; c < pitch; ++c) {
        for (std::int64_t x = 0; x < count; ++x) to[x * pitch + c] = zero;
      }
    }
  }
}

// Calls work(zero of the stored type, from) with the function from that type to float32.
template <typename Work>
void with_format(const ValueFormat& format, Work work) {
  switch (format.type) {
    case ValueType::kF32: return work(0.0F, [](float value) { return value; });
    case ValueType::kBf16: return work(std::uint16_t{0}, bfloat16_to_float);
    case ValueType::kU8:
      return work(format.zero_point, [zero = static_cast<float>(format.zero_point), scale = format.scale](
                                         std::uint8_t quantized) { return dequantize(quantized, scale, zero); });
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

void to_kernel_layout(const Kernels& kernels, const FeatureShape& shape, std::int64_t pitch, const float* nchw,
                      const ValueFormat& format, void* nhwc, std::int64_t begin, std::int64_t end) {
  const auto rows = [&](auto zero) {
    using T = decltype(zero);
    alignas(kAlignment) float values[kLine] = {};
    spread_rows(shape, pitch, nchw, zero, nhwc, begin, end, [&](const float* from, std::int64_t count, T* to) {
      const auto whole = static_cast<std::size_t>(padded_channels(static_cast<int>(count)));
      if (whole > static_cast<std::size_t>(count)) from = std::copy_n(from, count, values) - count;
      kernels.convert({}, from, format, to, 0, whole);  // which converts whole blocks
      return to;
    });
  };
  switch (format.type) {
    case ValueType::kF32:
      return spread_rows(shape, pitch, nchw, 0.0F, nhwc, begin, end,
                         [](const float* from, std::int64_t, float*) { return from; });
    case ValueType::kBf16: return rows(std::uint16_t{0});
    case ValueType::kU8: return rows(format.zero_point);
  }
}

void from_kernel_layout(const FeatureShape& shape, std::int64_t pitch, const ValueFormat& format, const void* nhwc,
                        float* nchw) {
  const std::int64_t plane = shape.height * shape.width;
  with_format(format, [&](auto zero, auto from) {
    using T = decltype(zero);
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

void concatenate(const FeatureShape& in_shape, const FeatureShape& out_shape, const float* first, const float* second,
                 float* out, std::int64_t begin, std::int64_t end) {
  const std::int64_t rest = out_shape.channels - in_shape.channels;
  const std::int64_t first_row = padded_channels(static_cast<int>(in_shape.channels));
  const std::int64_t second_row = padded_channels(static_cast<int>(rest));
  const std::int64_t row = padded_channels(static_cast<int>(out_shape.channels));
  for (std::int64_t pixel = begin; pixel < end; ++pixel) {
    float* to = std::copy_n(first + pixel * first_row, in_shape.channels, out + pixel * row);
    to = std::copy_n(second + pixel * second_row, rest, to);
    std::fill(to, out + (pixel + 1) * row, 0.0F);
  }
}

}  // namespace resnet
