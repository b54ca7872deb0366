// The arithmetic in plain C++: what each function of the table means, and what the fast tables are tested against.
// Sums are taken in double precision.
#include <algorithm>
#include <cmath>

#include "engine/kernels/kernels.h"

namespace resnet {
namespace {

// The part [begin, end) of `count` things that belongs to one task of several.
struct Part {
  std::int64_t begin, end;
  Part(std::int64_t count, int task, int tasks) : begin(count * task / tasks), end(count * (task + 1) / tasks) {}
};

// --- convolution ---
// Output channels are computed in blocks of kChannelBlock within their group. Packed weights have the order
// group, block, ky, kx, input channel, output channel of the block; missing output channels of a last block are zero.

int group_blocks(const ConvShape& s) { return padded_channels(s.out_channels / s.groups) / kChannelBlock; }

std::size_t block_values(const ConvShape& s) {
  return static_cast<std::size_t>(s.in_channels / s.groups) * s.kernel * s.kernel * kChannelBlock;
}

const char* refuse(const ConvShape& s) noexcept {
  return s.in_type == ValueType::kF32 && s.out_type == ValueType::kF32 ? nullptr : "not float32";
}

std::size_t packed_bytes(const ConvShape& s) noexcept {
  return static_cast<std::size_t>(s.groups) * group_blocks(s) * block_values(s) * sizeof(float);
}

void pack(const ConvShape& s, const float* weights, void* packed) noexcept {
  auto* out = static_cast<float*>(packed);
  const int group_in = s.in_channels / s.groups;
  const int group_out = s.out_channels / s.groups;
  const int window = s.kernel * s.kernel;
  for (int group = 0; group < s.groups; ++group) {
    for (int first = 0; first < group_out; first += kChannelBlock) {
      for (int tap = 0; tap < window; ++tap) {
        for (int in = 0; in < group_in; ++in) {
          for (int lane = 0; lane < kChannelBlock; ++lane) {
            const std::int64_t row = static_cast<std::int64_t>(group) * group_out + first + lane;
            *out++ = first + lane < group_out ? weights[(row * group_in + in) * window + tap] : 0;
          }
        }
      }
    }
  }
}

std::size_t no_scratch(const ConvShape&) noexcept { return 0; }

int conv_tasks(const ConvShape& s, int threads) noexcept { return std::min(s.batch * s.out_height, 4 * threads); }

// The sums of one block of output channels at one pixel. `input` is the image, from the group's first channel.
void conv_pixel(const ConvShape& s, const float* input, const float* weights, int y, int x, double* sums) {
  const int group_in = s.in_channels / s.groups;
  const std::int64_t stride = input_pitch(s);
  for (int ky = 0; ky < s.kernel; ++ky) {
    const int in_y = y * s.stride - s.padding + ky * s.dilation;
    if (in_y < 0 || in_y >= s.in_height) continue;
    for (int kx = 0; kx < s.kernel; ++kx) {
      const int in_x = x * s.stride - s.padding + kx * s.dilation;
      if (in_x < 0 || in_x >= s.in_width) continue;
      const float* pixel = input + (static_cast<std::int64_t>(in_y) * s.in_width + in_x) * stride;
      const float* tap = weights + static_cast<std::int64_t>(ky * s.kernel + kx) * group_in * kChannelBlock;
      for (int in = 0; in < group_in; ++in) {
        const double value = pixel[in];
        for (int lane = 0; lane < kChannelBlock; ++lane) sums[lane] += value * tap[in * kChannelBlock + lane];
      }
    }
  }
}

void conv_row(const ConvCall& call, int image, int y) {
  const ConvShape& s = call.shape;
  const int group_in = s.in_channels / s.groups;
  const int group_out = s.out_channels / s.groups;
  const std::int64_t out_stride = padded_channels(s.out_channels);
  const auto* residual = static_cast<const float*>(call.residual);
  auto* output = static_cast<float*>(call.output);
  const float* input = static_cast<const float*>(call.input) +
                       static_cast<std::int64_t>(image) * s.in_height * s.in_width * input_pitch(s);
  for (int x = 0; x < s.out_width; ++x) {
    const std::int64_t pixel = ((static_cast<std::int64_t>(image) * s.out_height + y) * s.out_width + x) * out_stride;
    const auto* weights = static_cast<const float*>(call.weights);
    for (int group = 0; group < s.groups; ++group) {
      for (int first = 0; first < group_out; first += kChannelBlock, weights += block_values(s)) {
        double sums[kChannelBlock] = {};
        conv_pixel(s, input + group * group_in, weights, y, x, sums);
        const int channel = group * group_out + first;
        for (int lane = 0; lane < std::min(kChannelBlock, group_out - first); ++lane) {
          double value = sums[lane] + call.bias[channel + lane];
          if (s.residual) value += residual[pixel + channel + lane];
          output[pixel + channel + lane] = static_cast<float>(s.relu && value < 0 ? 0 : value);
        }
      }
    }
    std::fill(output + pixel + s.out_channels, output + pixel + out_stride, 0.0F);
  }
}

void conv(const ConvCall& call, int task, int tasks, void*) noexcept {
  const Part rows(static_cast<std::int64_t>(call.shape.batch) * call.shape.out_height, task, tasks);
  for (std::int64_t row = rows.begin; row < rows.end; ++row) {
    conv_row(call, static_cast<int>(row / call.shape.out_height), static_cast<int>(row % call.shape.out_height));
  }
}

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

void max_pool(const PoolShape& s, const void* input, void* output, int begin, int end) noexcept {
  const auto* in = static_cast<const float*>(input);
  auto* out = static_cast<float*>(output);
  const std::int64_t channels = padded_channels(s.channels);
  for (std::int64_t row = begin; row < end; ++row) {
    for (int x = 0; x < s.out_width; ++x) {
      float* result = out + (row * s.out_width + x) * channels;
      std::fill(result, result + channels, -INFINITY);
      visit_window(s, row, x, [&](std::int64_t pixel) {
        for (std::int64_t c = 0; c < channels; ++c) {
          const float value = in[pixel * channels + c];
          if (value > result[c] || std::isnan(value)) result[c] = value;
        }
      });
    }
  }
}

void average_pool(const PoolShape& s, const void* input, void* output, int begin, int end) noexcept {
  const auto* in = static_cast<const float*>(input);
  auto* out = static_cast<float*>(output);
  const std::int64_t channels = padded_channels(s.channels);
  for (std::int64_t row = begin; row < end; ++row) {
    for (int x = 0; x < s.out_width; ++x) {
      float* result = out + (row * s.out_width + x) * channels;
      for (std::int64_t c = 0; c < channels; ++c) {
        double sum = 0;
        int count = 0;
        visit_window(s, row, x, [&](std::int64_t pixel) {
          sum += in[pixel * channels + c];
          ++count;
        });
        result[c] = static_cast<float>(sum / count);
      }
    }
  }
}

void global_average_pool(const PoolShape& s, const void* input, void* output, int begin, int end) noexcept {
  const auto* in = static_cast<const float*>(input);
  auto* out = static_cast<float*>(output);
  const int pixels = s.in_height * s.in_width;
  const int channels = padded_channels(s.channels);
  for (std::int64_t image = begin; image < end; ++image) {
    for (int c = 0; c < channels; ++c) {
      double sum = 0;
      for (int pixel = 0; pixel < pixels; ++pixel) sum += in[(image * pixels + pixel) * channels + c];
      out[image * channels + c] = static_cast<float>(sum / pixels);
    }
  }
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

double spin(std::int64_t iterations) noexcept {
  constexpr int kSums = 32;
  float sums[kSums] = {};
  for (std::int64_t i = 0; i < iterations; ++i) {
    for (float& sum : sums) sum = sum * 0.5F + 1.0F;
  }
  volatile float sink = 0;  // keeps the loop
  for (const float sum : sums) sink = sink + sum;
  return 2.0 * kSums * static_cast<double>(iterations);
}

constexpr ConvAlgorithm kConvs[] = {
    {"reference", refuse, packed_bytes, pack, no_scratch, conv_tasks, conv},
};

}  // namespace

const Kernels& reference_kernels() noexcept {
  static const Kernels kTable = {"ref", kConvs, max_pool, average_pool, global_average_pool, add, scale_shift, spin};
  return kTable;
}

}  // namespace resnet
