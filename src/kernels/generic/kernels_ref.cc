// The arithmetic in plain C++: what each function of the table means, and what the fast tables are tested against.
// Sums are taken in double precision.
#include <algorithm>
#include <cmath>

#include "kernels/generic/conv_ref.h"

namespace resnet {
namespace {

// --- pooling ---

// Calls visit(input pixel) for each pixel of the window that lies inside the picture.
template <typename Visit>
void visit_window(const PoolShape& s, std::int64_t row, int x, Visit visit) {
  const std::int64_t image = row / s.out_height;
  const int top = static_cast<int>(row % s.out_height) * s.stride - s.padding;
  const int left = x * s.stride - s.padding;
  for (int y = std::max(top, 0); y < std::min(top + s.kernel, s.in_height); ++y) {
    for (int in_x = std::max(left, 0); in_x < std::min(left + s.kernel, s.in_width); ++in_x) {
      visit((image * s.in_height + y) * s.in_width + in_x);
    }
  }
}

// Calls work(T) with what the type is stored as (conv_ref.h).
template <typename Work>
void with_type(ValueType type, Work work) {
  switch (type) {
    case ValueType::kF32: return work(Float32());
    case ValueType::kBf16: return work(Bfloat16());
    case ValueType::kU8: return work(Number());
  }
}

void max_pool(const PoolShape& s, const void* input, void* output, int begin, int end) noexcept {
  const std::int64_t channels = padded_channels(s.channels);
  with_type(s.type, [&](auto type) {
    using Value = typename decltype(type)::Value;
    const auto* in = static_cast<const Value*>(input);
    for (std::int64_t row = begin; row < end; ++row) {
      for (int x = 0; x < s.out_width; ++x) {
        Value* result = static_cast<Value*>(output) + (row * s.out_width + x) * channels;
        bool first = true;
        visit_window(s, row, x, [&](std::int64_t pixel) {
          for (std::int64_t c = 0; c < channels; ++c) {
            const Value value = in[pixel * channels + c];
            const auto read = type.read(value);
            if (first || read > type.read(result[c]) || read != read) result[c] = value;
          }
          first = false;
        });
      }
    }
  });
}

// A mean of floats, or of quantized values whose quotient is rounded to float32 before it is rounded to u8.
template <class T>
void write_mean(T, double sum, std::int64_t count, typename T::Value& to) {
  if constexpr (T::kType == ValueType::kU8) {
    to = to_u8(static_cast<float>(sum) / static_cast<float>(count));
  } else {
    to = T::write(static_cast<float>(sum / static_cast<double>(count)));
  }
}

void average_pool(const PoolShape& s, const void* input, void* output, int begin, int end) noexcept {
  const std::int64_t channels = padded_channels(s.channels);
  with_type(s.type, [&](auto type) {
    using Value = typename decltype(type)::Value;
    for (std::int64_t row = begin; row < end; ++row) {
      for (int x = 0; x < s.out_width; ++x) {
        Value* result = static_cast<Value*>(output) + (row * s.out_width + x) * channels;
        for (std::int64_t c = 0; c < channels; ++c) {
          double sum = 0;
          int count = 0;
          visit_window(s, row, x, [&](std::int64_t pixel) {
            sum += type.read(static_cast<const Value*>(input)[pixel * channels + c]);
            ++count;
          });
          write_mean(type, sum, count, result[c]);
        }
      }
    }
  });
}

int reflected(int i, int size) { return i < 0 ? -i : i < size ? i : 2 * size - 2 - i; }

void blur(const PoolShape& s, const float* in, float* out, int begin, int end) noexcept {
  constexpr int kWeights[] = {1, 2, 1};
  const std::int64_t channels = padded_channels(s.channels);
  for (std::int64_t row = begin; row < end; ++row) {
    const std::int64_t first = row / s.out_height * s.in_height;
    for (int x = 0; x < s.out_width; ++x) {
      for (std::int64_t c = 0; c < channels; ++c) {
        double sum = 0;
        for (int tap = 0; tap < 9; ++tap) {
          const int y = static_cast<int>(row % s.out_height) * s.stride - s.padding + tap / 3;
          const std::int64_t pixel = (first + reflected(y, s.in_height)) * s.in_width +
                                     reflected(x * s.stride - s.padding + tap % 3, s.in_width);
          sum += kWeights[tap / 3] * kWeights[tap % 3] * static_cast<double>(in[pixel * channels + c]);
        }
        out[(row * s.out_width + x) * channels + c] = static_cast<float>(sum / 16);
      }
    }
  }
}

void global_average_pool(const PoolShape& s, const void* input, void* output, int begin, int end) noexcept {
  const int pixels = s.in_height * s.in_width;
  const int channels = padded_channels(s.channels);
  with_type(s.type, [&](auto type) {
    using Value = typename decltype(type)::Value;
    for (std::int64_t image = begin; image < end; ++image) {
      for (int c = 0; c < channels; ++c) {
        double sum = 0;
        for (int i = 0; i < pixels; ++i) {
          sum += type.read(static_cast<const Value*>(input)[(image * pixels + i) * channels + c]);
        }
        Value& result = static_cast<Value*>(output)[image * channels + c];
        if (s.type == ValueType::kU8) {
          result = static_cast<Value>(to_u8(std::fma(static_cast<float>(sum), s.scale, s.offset)));
        } else {
          write_mean(type, sum, pixels, result);
        }
      }
    }
  });
}

// --- element by element ---

void add(const float* a, const float* b, float* out, bool relu, std::size_t begin, std::size_t end) noexcept {
  for (std::size_t i = begin; i < end; ++i) {
    const float value = b == nullptr ? a[i] : a[i] + b[i];
    out[i] = relu && value < 0 ? 0 : value;
  }
}

void scale_shift(const float* in, const float* scale, const float* shift, float* out, int channels, bool relu,
                 std::int64_t begin, std::int64_t end) noexcept {
  for (std::int64_t pixel = begin; pixel < end; ++pixel) {
    for (int c = 0; c < channels; ++c) {
      const float value = in[pixel * channels + c] * scale[c] + shift[c];
      out[pixel * channels + c] = relu && value < 0 ? 0 : value;
    }
  }
}

void curve(Curve curve, float negative_slope, float* values, std::size_t begin, std::size_t end) noexcept {
  for (std::size_t i = begin; i < end; ++i) values[i] = curved(curve, negative_slope, values[i]);
}

void convert(const ValueFormat& from, const void* in, const ValueFormat& to, void* out, std::size_t begin,
             std::size_t end) noexcept {
  for (std::size_t i = begin; i < end; ++i) {
    float value = 0;
    switch (from.type) {
      case ValueType::kF32: value = static_cast<const float*>(in)[i]; break;
      case ValueType::kBf16: value = bfloat16_to_float(static_cast<const std::uint16_t*>(in)[i]); break;
      case ValueType::kU8: value = dequantize(static_cast<const std::uint8_t*>(in)[i], from.scale, from.zero_point);
    }
    switch (to.type) {
      case ValueType::kF32: static_cast<float*>(out)[i] = value; break;
      case ValueType::kBf16: static_cast<std::uint16_t*>(out)[i] = float_to_bfloat16(value); break;
      case ValueType::kU8: static_cast<std::uint8_t*>(out)[i] = quantize(value, 1 / to.scale, to.zero_point);
    }
  }
}

constexpr ConvAlgorithm kConvs[] = {
    reference_conv<Float32>("reference"),
    reference_conv<Bfloat16>("bf16 reference"),
    reference_conv<Number>("int8 reference"),
};

}  // namespace

const Kernels& reference_kernels() noexcept {
  static const Kernels kTable = {
      Isa::kRef, kConvs, max_pool, average_pool, blur, global_average_pool, add, scale_shift, curve, convert,
  };
  return kTable;
}

}  // namespace resnet
