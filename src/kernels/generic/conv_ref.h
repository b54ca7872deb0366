// Convolution in plain C++, for every type of values: what fast ones are tested against. Floats are summed in double
// precision and rounded once; quantized values are computed as ConvCall says.
//
// Output channels are computed in blocks of kChannelBlock within their group. Packed weights have the order group,
// block, ky, kx, input channel, output channel of the block; missing output channels of a last block are zero.
#pragma once

#include <algorithm>
#include <cmath>

#include "base/bfloat16.h"
#include "kernels/generic/curve_ref.h"
#include "kernels/kernels.h"
#include "kernels/quantize.h"

namespace resnet {
namespace {

// The part [begin, end) of `count` things that belongs to one task of several.
struct TaskRange {
  std::int64_t begin, end;
  TaskRange(std::int64_t count, int task, int tasks) : begin(count * task / tasks), end(count * (task + 1) / tasks) {}
};

// What a value or a weight is stored as, and what it stands for in sums.
struct Float32 {
  using Value = float;
  using Weight = float;
  using Sum = double;
  static constexpr ValueType kType = ValueType::kF32;
  static double read(float value) { return value; }
  static float write(float value) { return value; }
};
struct Bfloat16 {
  using Value = std::uint16_t;
  using Weight = std::uint16_t;
  using Sum = double;
  static constexpr ValueType kType = ValueType::kBf16;
  static double read(std::uint16_t value) { return bfloat16_to_float(value); }
  static std::uint16_t write(float value) { return float_to_bfloat16(value); }
};
struct Number {
  using Value = std::uint8_t;
  using Weight = std::int8_t;
  using Sum = std::int32_t;
  static constexpr ValueType kType = ValueType::kU8;
  static std::int32_t read(int value) { return value; }
  static std::int8_t write(float value) { return static_cast<std::int8_t>(value); }
};

template <class T>
class ReferenceConv {
  using Value = typename T::Value;
  using Weight = typename T::Weight;
  using Sum = typename T::Sum;

 public:
  static Refusal refuse(const ConvShape& s) noexcept {
    return s.in_type == T::kType ? Refusal::kNone : Refusal::kOtherType;
  }

  static std::size_t packed_bytes(const ConvShape& s) noexcept {
    return static_cast<std::size_t>(s.groups) * group_blocks(s) * block_values(s) * sizeof(Weight);
  }

  // A block, of which groups have whole ones.
  static int pack_unit(const ConvShape& s) noexcept {
    return s.groups == 1 ? kChannelBlock : s.out_channels / s.groups;
  }

  static void pack(const ConvShape& s, int begin, int end, const float* weights, void* packed) noexcept {
    const int group_in = s.in_channels / s.groups;
    const int group_out = s.out_channels / s.groups;
    const int window = s.kernel * s.kernel;
    for (int first = begin; first < end;) {
      const int group = first / group_out;
      const int last = std::min(first + kChannelBlock, (group + 1) * group_out);
      const int block = group * group_blocks(s) + first % group_out / kChannelBlock;
      auto* out = static_cast<Weight*>(packed) + static_cast<std::size_t>(block) * block_values(s);
      for (int tap = 0; tap < window; ++tap) {
        for (int in = 0; in < group_in; ++in) {
          for (int channel = first; channel < first + kChannelBlock; ++channel) {
            const std::int64_t row = channel - begin;
            *out++ = T::write(channel < last ? weights[(row * group_in + in) * window + tap] : 0.0F);
          }
        }
      }
      first = last;
    }
  }

  static std::size_t no_scratch(const ConvShape&) noexcept { return 0; }

  static int tasks(const ConvShape& s, int threads) noexcept { return std::min(s.batch * s.out_height, 4 * threads); }

  static double cost(const ConvShape&, int) noexcept { return 1; }  // there is no other to compare with

  static void run(const ConvCall& call, int task, int tasks, void*) noexcept {
    const ReferenceConv conv(call);
    const TaskRange rows(static_cast<std::int64_t>(call.shape.batch) * call.shape.out_height, task, tasks);
    for (std::int64_t row = rows.begin; row < rows.end; ++row) conv.run_row(row);
  }

  static double spin(std::int64_t iterations) noexcept {
    constexpr int kSums = 32;
    float sums[kSums] = {};
    for (std::int64_t i = 0; i < iterations; ++i) {
      for (float& sum : sums) sum = sum * 0.5F + 1.0F;
    }
    volatile float sink = 0;  // keeps the loop
    for (const float sum : sums) sink = sink + sum;
    return 2.0 * kSums * static_cast<double>(iterations);
  }

 private:
  explicit ReferenceConv(const ConvCall& call) : call_(call) {}

  static int group_blocks(const ConvShape& s) { return padded_channels(s.out_channels / s.groups) / kChannelBlock; }

  static std::size_t block_values(const ConvShape& s) {
    return static_cast<std::size_t>(s.in_channels / s.groups) * s.kernel * s.kernel * kChannelBlock;
  }

  // Of all pictures' rows.
  void run_row(std::int64_t row) const {
    const ConvShape& s = call_.shape;
    const int group_in = s.in_channels / s.groups;
    const int group_out = s.out_channels / s.groups;
    const std::int64_t pitch = padded_channels(s.out_channels);
    const std::int64_t picture_values = static_cast<std::int64_t>(s.in_height) * s.in_width * input_pitch(s);
    const Value* picture = static_cast<const Value*>(call_.input) + row / s.out_height * picture_values;
    for (int x = 0; x < s.out_width; ++x) {
      const std::int64_t pixel = (row * s.out_width + x) * pitch;
      const auto* weights = static_cast<const Weight*>(call_.weights);
      for (int group = 0; group < s.groups; ++group) {
        for (int first = 0; first < group_out; first += kChannelBlock, weights += block_values(s)) {
          Sum sums[kChannelBlock] = {};
          add_window(picture + group * group_in, weights, static_cast<int>(row % s.out_height), x, sums);
          const int channel = group * group_out + first;
          const int lanes = std::min(kChannelBlock, group_out - first);
          for (int lane = 0; lane < lanes; ++lane) finish(sums[lane], channel + lane, pixel + channel + lane);
        }
      }
      for (int channel = s.out_channels; channel < pitch; ++channel) finish(0, channel, pixel + channel);
    }
  }

  // The sums of one block of output channels at one pixel. `picture` begins with the group's first channel.
  void add_window(const Value* picture, const Weight* weights, int y, int x, Sum* sums) const {
    const ConvShape& s = call_.shape;
    const int group_in = s.in_channels / s.groups;
    for (int tap = 0; tap < s.kernel * s.kernel; ++tap) {
      const int in_y = y * s.stride - s.padding + tap / s.kernel * s.dilation;
      const int in_x = x * s.stride - s.padding + tap % s.kernel * s.dilation;
      const bool inside = in_y >= 0 && in_y < s.in_height && in_x >= 0 && in_x < s.in_width;
      const std::int64_t at = (static_cast<std::int64_t>(in_y) * s.in_width + in_x) * input_pitch(s);
      for (int in = 0; in < group_in; ++in, weights += kChannelBlock) {
        const Sum value = inside ? T::read(picture[at + in]) : static_cast<Sum>(call_.zero_point);
        for (int lane = 0; lane < kChannelBlock; ++lane) sums[lane] += value * T::read(weights[lane]);
      }
    }
  }

  // One value of the output; padding channels have no sum and no residual, but the format's zero.
  void finish(Sum sum, int channel, std::int64_t at) const {
    const ConvShape& s = call_.shape;
    const auto* residual = static_cast<const Value*>(call_.residual);
    float value;
    if constexpr (T::kType == ValueType::kU8) {
      value = std::fma(static_cast<float>(sum), call_.scale[channel], call_.bias[channel]);
      if (s.residual) value = std::fma(static_cast<float>(residual[at]), call_.residual_scale, value);
      if (s.out_type == ValueType::kU8) {
        static_cast<Value*>(call_.output)[at] = to_u8(value);
        return;
      }
    } else {
      value = static_cast<float>(sum + call_.bias[channel] + (s.residual ? T::read(residual[at]) : 0));
    }
    if (s.relu && value < 0) value = 0;
    value = curved(s.curve, s.negative_slope, value);
    if (s.out_type == ValueType::kF32) {
      static_cast<float*>(call_.output)[at] = value;
    } else {
      static_cast<Value*>(call_.output)[at] = T::write(value);
    }
  }

  const ConvCall& call_;
};

template <class T>
constexpr ConvAlgorithm reference_conv(const char* name) {
  using Conv = ReferenceConv<T>;
  return {name,
          ConvFamily::kDirect,
          T::kType,
          WeightRule::kNone,
          Conv::refuse,
          Conv::packed_bytes,
          Conv::pack_unit,
          Conv::pack,
          Conv::no_scratch,
          Conv::tasks,
          Conv::cost,
          Conv::run,
          Conv::spin};
}

}  // namespace
}  // namespace resnet
