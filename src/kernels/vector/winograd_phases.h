// A 7x7 window of stride 2, a ResNet's first, as a 4x4 window of stride 1, which Winograd's algorithm takes. With C
// channels and a padding of d, the pixel at (y, x) of the input in phases has 4 C channels:
//
//   phases[y][x][(2 p + q) C + c] = input[2 y + p - d][2 x + q - d][c]
//   output[y][x] = the sum of weight[c][2 a + p][2 b + q] phases[y + a][x + b][(2 p + q) C + c]
//
// over a, b in 0..3, p, q in 0, 1 and c. The window's eighth row and column are zeros.
#pragma once

#include <cstdint>

#include "kernels/conv_geometry.h"

namespace resnet {
namespace {

constexpr int kPhases = 4;

// The weight of a phase's channel at tap (y, x) of the 4x4 window; `weights` are those of an output channel, 7x7.
inline float phase_weight(const float* weights, int channels, int channel, int y, int x) {
  const int phase = channel / channels;
  const int row = 2 * y + phase / 2;
  const int column = 2 * x + phase % 2;
  return row < 7 && column < 7 ? weights[(channel % channels * 7 + row) * 7 + column] : 0;
}

// Pixels [begin, end) of row `y` of a picture in phases, `pitch` values each, a multiple of V::kLanes, of which those
// after the last channel become zeros.
template <class V>
void fill_phases(const ConvShape& s, const float* picture, int y, int begin, int end, int pitch, float* out) {
  const int channels = s.in_channels;
  const int values = 2 * channels;  // of two pixels of a row of the input, which a pixel in phases has side by side
  for (int x = 0; x < end - begin; ++x) {
    for (int lane = kPhases * channels / V::kLanes * V::kLanes; lane < pitch; lane += V::kLanes) {
      V::store(out + std::int64_t{x} * pitch + lane, V::zero());
    }
  }
  for (int p = 0; p < 2; ++p, out += values) {
    const int row = 2 * y + p - s.padding;
    const bool row_there = row >= 0 && row < s.in_height;
    const float* in = picture + (std::int64_t{row} * s.in_width - s.padding) * channels;
    float* to = out;
    const auto border = [&](int x) {
      for (int q = 0; q < 2; ++q) {
        const int column = 2 * x + q - s.padding;
        const bool there = row_there && column >= 0 && column < s.in_width;
        for (int i = q * channels; i < (q + 1) * channels; ++i) to[i] = there ? in[std::int64_t{x} * values + i] : 0;
      }
    };
    int x = begin;
    for (; x < end && (2 * x < s.padding || !row_there); ++x, to += pitch) border(x);
    const int inner = smaller(end, (s.in_width + s.padding) / 2);  // both columns are there before it
    if (channels == 3) {
      for (; x < inner; ++x, to += pitch) __builtin_memcpy(to, in + std::int64_t{x} * 6, 6 * sizeof(float));
    }
    for (; x < inner; ++x, to += pitch) {
      for (int i = 0; i < values; ++i) to[i] = in[std::int64_t{x} * values + i];
    }
    for (; x < end; ++x, to += pitch) border(x);
  }
}

}  // namespace
}  // namespace resnet
