// The innermost product of every convolution: a tile of up to kTilePixels pixels x kTileVectors vectors of output
// channels kept in registers while a panel of inputs and a panel of weights stream by. A vector type says how many fit
// its registers.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/conv_geometry.h"

namespace resnet {
namespace {

// Memory that is needed soon, brought into the second-level cache a few lines at a time while products are computed.
// Nothing here asks how far it has come: short products feel every branch that is predicted wrongly.
struct Stream {
  const std::byte* at = nullptr;
  const std::byte* last = nullptr;  // the last line, fetched again when all are there
  int lines = 0;                    // per step of a product

  Stream() = default;
  // `bytes` bytes, so that they are there after `steps` steps.
  Stream(const void* first, std::int64_t bytes, std::int64_t steps)
      : at(static_cast<const std::byte*>(first)),
        last(at + bytes - 1),
        lines(bytes > 0 ? static_cast<int>((bytes + kLineBytes * steps - 1) / (kLineBytes * steps)) : 0) {}

  [[gnu::always_inline]] void step() {
    for (int i = 0; i < lines; ++i) {
      __builtin_prefetch(at, 0, 2);
      at = at + kLineBytes < last ? at + kLineBytes : last;
    }
  }
};

struct Ahead {
  Stream weights, input;
};

// Inputs come from a panel, in each step from a cache line of each pixel, of which `count` words are used; the lines of
// a tile's pixels follow one another. Weights come from a panel [steps][count][columns of the tile]. Words are of 32
// bits; those of types narrower than float32 hold several values of the inner dimension, for each column in the
// weights.
struct TileProduct {
  const float* panel;
  const float* weights;
  const std::int32_t* offsets = nullptr;  // where each step begins in the panel, in words; null: after the one before
  int steps;
  int count;
  const float* bias;  // null: the sums go on from others
  const float* sums = nullptr;
  std::int64_t sums_pitch = 0;
  const float* scale;  // kU8 alone, with the residual's
  float residual_scale;
  const void* residual;  // null: none; laid out as the output
  bool relu;
  void* output;
  ValueType out_type;
  std::int64_t output_pitch;  // values from one pixel of the output to the next
  Ahead* ahead;
  // Where the next product's outputs will stand and its residuals do, or again its outputs, to be fetched meanwhile:
  // `next_rows` rows at each of the first `next_steps` steps, which stand `next_pitch` values apart.
  const void* next_output = nullptr;
  const void* next_residual = nullptr;
  int next_rows = 0, next_steps = 0;
  std::int64_t next_pitch = 0;
};

// Brings what p.next_output and p.next_residual say into the first-level cache, a few rows of kColumns values at a
// step.
template <class Value, int kColumns>
class NextRows {
 public:
  explicit NextRows(const TileProduct& p)
      : output_(static_cast<const Value*>(p.next_output)),
        residual_(static_cast<const Value*>(p.next_residual)),
        pitch_(p.next_pitch),
        rows_(p.next_rows),
        steps_(p.next_steps) {}

  [[gnu::always_inline]] void fetch(int step) {
    if (step >= steps_) return;
    for (int i = 0; i < rows_; ++i, output_ += pitch_, residual_ += pitch_) {
#pragma GCC unroll 8
      for (int j = 0; j < kColumns; j += kLineBytes / static_cast<int>(sizeof(Value))) {
        __builtin_prefetch(output_ + j);
        __builtin_prefetch(residual_ + j);
      }
    }
  }

 private:
  const Value* output_;
  const Value* residual_;
  std::int64_t pitch_;
  int rows_, steps_;
};

// Calls work(row, vector) for each vector of a tile's sums.
template <int kRows, int kVectors, class Work>
[[gnu::always_inline]] inline void for_each_sum(Work work) {
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j) work(i, j);
  }
}

// The sums of P (conv_product.h), which says what a word holds, how sums begin and what becomes of them.
template <class P, int kRows, int kVectors>
[[gnu::noinline]] void multiply_tile(const TileProduct& p) {
  using V = typename P::Vector;
  using Reg = typename V::Reg;
  constexpr int kLanes = V::kLanes;
  typename P::Sum sum[kRows][kVectors];
  P::start(p, sum);
  NextRows<typename P::Value, kVectors * kLanes> next(p);

  constexpr int kStride = kChannelBlock;
  const float* weights = p.weights;
  const int count = p.count;
  constexpr int kWords = P::kDotWords;
  for (int step = 0; step < p.steps; ++step) {
    const float* panel = p.panel + (p.offsets != nullptr ? p.offsets[step] : step * V::kTilePixels * kStride);
    p.ahead->weights.step();
    p.ahead->input.step();
    next.fetch(step);
    for (const float* x = panel; x < panel + count; x += kWords, weights += kWords * kVectors * kLanes) {
      Reg weight[kVectors][kWords];
      for_each_sum<kWords, kVectors>(
          [&](int w, int j) { weight[j][w] = V::load(weights + (w * kVectors + j) * kLanes); });
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
        Reg value[kWords];
#pragma GCC unroll 2
        for (int w = 0; w < kWords; ++w) value[w] = V::broadcast(x + i * kStride + w);
#pragma GCC unroll 8
        for (int j = 0; j < kVectors; ++j) sum[i][j] = P::dot(value, weight[j], sum[i][j]);
      }
    }
  }
  P::finish(p, sum);
}

// The tile of `rows` pixels, 1 to kRows.
template <class P, int kVectors, int kRows = P::Vector::kTilePixels>
void multiply_rows(int rows, const TileProduct& product) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return multiply_rows<P, kVectors, kRows - 1>(rows, product);
  }
  multiply_tile<P, kRows, kVectors>(product);
}

// A tile of `columns` output channels: as many vectors as fit the registers or fewer, in whole blocks of channels.
template <class P, int kVectors = P::Vector::kTileVectors>
void multiply(int rows, int columns, const TileProduct& product) {
  constexpr int kLanes = P::Vector::kLanes;
  constexpr int kBlock = kChannelBlock / kLanes;
  static_assert(kBlock * kLanes == kChannelBlock && kVectors % kBlock == 0);
  if constexpr (kVectors > kBlock) {
    if (columns < kVectors * kLanes) return multiply<P, kVectors - kBlock>(rows, columns, product);
  }
  multiply_rows<P, kVectors>(rows, product);
}

}  // namespace
}  // namespace resnet
