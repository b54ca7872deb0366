// The innermost product of every convolution: a tile of up to kTilePixels pixels x two vectors of output channels kept
// in registers while a panel of inputs and a panel of weights stream by.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/kernels/kernels.h"

namespace resnet {
namespace {

constexpr int kLineBytes = 64;  // of a cache line

// Memory that is needed soon, brought into the second-level cache a few lines at a time while products are computed.
struct Stream {
  const std::byte* at = nullptr;
  const std::byte* row_end = nullptr;
  std::int64_t gap = 0;  // from the end of a row to the next one
  std::int64_t row_bytes = 0;
  int rows = 0;   // that are left
  int lines = 0;  // per step of a product

  // How many lines a step must fetch for `rows` rows of so many bytes to be there after `steps` steps.
  static int pace(std::int64_t bytes, std::int64_t rows, std::int64_t steps) {
    const std::int64_t all = (bytes + kLineBytes - 1) / kLineBytes * rows;
    return static_cast<int>((all + steps - 1) / steps);
  }

  // `count` rows of so many bytes whose beginnings lie `pitch` apart, `pace` lines a step.
  void start(const std::byte* first, std::int64_t bytes, int count, std::int64_t pitch, int pace) {
    at = first;
    row_end = first + bytes;
    gap = pitch - bytes;
    row_bytes = bytes;
    rows = bytes > 0 ? count : 0;
    lines = pace;
  }
  [[gnu::always_inline]] void step() {
    for (int i = 0; i < lines && rows > 0; ++i) {
      __builtin_prefetch(at, 0, 2);
      at += kLineBytes;
      if (at < row_end) continue;
      --rows;
      at = row_end + gap;
      row_end = at + row_bytes;
    }
  }
};

struct Ahead {
  Stream weights, input, output, residual;
  [[gnu::always_inline]] void step() {
    weights.step();
    input.step();
    output.step();
    residual.step();
  }
};

// Inputs come from a panel [steps][kTilePixels][stride], of which `count` words of each pixel and step are used;
// weights from a panel [steps][count][columns of the tile]. Words are of 32 bits; those of types narrower than float32
// hold several values of the inner dimension, for each column in the weights.
struct TileProduct {
  const float* panel;
  const float* weights;
  int steps;
  int count;
  const float* bias;   // null: the sums go on from what the output holds
  const float* scale;  // kU8 alone, with the residual's
  float residual_scale;
  const void* residual;  // null: none; laid out as the output
  bool relu;
  void* output;
  ValueType out_type;
  std::int64_t output_pitch;  // values from one pixel of the output to the next
  Ahead* ahead;
};

// The sums of P (conv_product.h), which says what a word holds, how sums begin and what becomes of them.
template <class P, int kRows, int kVectors, int kStride>
[[gnu::noinline]] void multiply_tile(const TileProduct& p) {
  using V = typename P::Vector;
  using Reg = typename V::Reg;
  constexpr int kLanes = V::kLanes;
  constexpr int kTapWords = kChannelBlock / P::kPack;
  typename P::Sum sum[kRows][kVectors];
  P::start(p, sum);

  const float* panel = p.panel;
  const float* weights = p.weights;
  const int count = kStride == kTapWords ? kTapWords : p.count;
  for (int step = 0; step < p.steps; ++step, panel += V::kTilePixels * kStride) {
    if (step % P::kPack == 0) p.ahead->step();
    for (const float* x = panel; x < panel + count; ++x, weights += kVectors * kLanes) {
      Reg weight[kVectors];
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) weight[j] = V::load(weights + j * kLanes);
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
        const Reg value = V::broadcast(x + i * kStride);
#pragma GCC unroll 2
        for (int j = 0; j < kVectors; ++j) sum[i][j] = P::dot(value, weight[j], sum[i][j]);
      }
    }
  }
  P::finish(p, sum);
}

// The tile of `rows` pixels, 1 to kRows.
template <class P, int kVectors, int kStride, int kRows = P::Vector::kTilePixels>
void multiply_rows(int rows, const TileProduct& product) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return multiply_rows<P, kVectors, kStride, kRows - 1>(rows, product);
  }
  multiply_tile<P, kRows, kVectors, kStride>(product);
}

// A tile of `columns` output channels: two vectors or one.
template <class P, int kStride>
void multiply(int rows, int columns, const TileProduct& product) {
  using V = typename P::Vector;
  if constexpr (V::kLanes == kChannelBlock) {  // one vector is a block of channels
    if (columns == V::kLanes) return multiply_rows<P, 1, kStride>(rows, product);
  }
  multiply_rows<P, 2, kStride>(rows, product);
}

}  // namespace
}  // namespace resnet
