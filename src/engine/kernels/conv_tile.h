// The innermost product of every convolution: a tile of up to kTilePixels pixels x two vectors of output channels kept
// in registers while a panel of inputs and a panel of weights stream by.
#pragma once

#include <cstdint>

namespace resnet {
namespace {

constexpr int kLineFloats = 16;  // of a cache line

// Memory that is needed soon, brought into the second-level cache a few lines at a time while products are computed.
struct Stream {
  const float* at = nullptr;
  const float* row_end = nullptr;
  std::int64_t gap = 0;  // from the end of a row to the next one
  std::int64_t row_values = 0;
  int rows = 0;   // that are left
  int lines = 0;  // per step of a product

  // Within `steps` steps, `count` rows of so many values whose beginnings lie `pitch` apart.
  void start(const float* first, std::int64_t values, int count, std::int64_t pitch, std::int64_t steps) {
    at = first;
    row_end = first + values;
    gap = pitch - values;
    row_values = values;
    rows = values > 0 ? count : 0;
    lines = static_cast<int>((values * count + steps * kLineFloats - 1) / (steps * kLineFloats));
  }
  void step() {
    for (int i = 0; i < lines && rows > 0; ++i) {
      __builtin_prefetch(at, 0, 2);
      at += kLineFloats;
      if (at < row_end) continue;
      --rows;
      at = row_end + gap;
      row_end = at + row_values;
    }
  }
};

struct Ahead {
  Stream weights, input, output, residual;
  void step() {
    weights.step();
    input.step();
    output.step();
    residual.step();
  }
};

// Inputs come from a panel [steps][kTilePixels][stride], of which `count` values of each pixel and step are used;
// weights from a panel [steps][count][columns of the tile].
struct TileProduct {
  const float* panel;
  const float* weights;
  int steps;
  int count;
  const float* bias;      // null: the sums go on from what the output holds
  const float* residual;  // null: none; laid out as the output
  bool relu;
  float* output;
  std::int64_t output_pitch;  // values from one pixel of the output to the next
  Ahead* ahead;
};

template <class V, int kRows, int kVectors, int kStride>
[[gnu::noinline]] void multiply_tile(const TileProduct& p) {
  using Reg = typename V::Reg;
  constexpr int kLanes = V::kLanes;
  const std::int64_t pitch = p.output_pitch;
  Reg sum[kRows][kVectors];
  const float* start = p.bias != nullptr ? p.bias : p.output;
  const std::int64_t start_pitch = p.bias != nullptr ? 0 : pitch;
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i, start += start_pitch) {
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) sum[i][j] = V::load(start + j * kLanes);
  }

  const float* panel = p.panel;
  const float* weights = p.weights;
  const int count = kStride == 16 ? 16 : p.count;
  for (int step = 0; step < p.steps; ++step, panel += V::kTilePixels * kStride) {
    p.ahead->step();
    for (const float* x = panel; x < panel + count; ++x, weights += kVectors * kLanes) {
      Reg weight[kVectors];
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) weight[j] = V::load(weights + j * kLanes);
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
        const Reg value = V::broadcast(x + i * kStride);
#pragma GCC unroll 2
        for (int j = 0; j < kVectors; ++j) sum[i][j] = V::multiply_add(value, weight[j], sum[i][j]);
      }
    }
  }

  if (p.residual != nullptr) {
    const float* residual = p.residual;
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i, residual += pitch) {
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) sum[i][j] = V::add(sum[i][j], V::load(residual + j * kLanes));
    }
  }
  if (p.relu) {
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int j = 0; j < kVectors; ++j) sum[i][j] = V::relu(sum[i][j]);
    }
  }
  float* output = p.output;
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i, output += pitch) {
#pragma GCC unroll 2
    for (int j = 0; j < kVectors; ++j) V::store(output + j * kLanes, sum[i][j]);
  }
}

// The tile of `rows` pixels, 1 to kRows.
template <class V, int kVectors, int kStride, int kRows = V::kTilePixels>
void multiply_rows(int rows, const TileProduct& product) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return multiply_rows<V, kVectors, kStride, kRows - 1>(rows, product);
  }
  multiply_tile<V, kRows, kVectors, kStride>(product);
}

// A tile of `columns` output channels: two vectors or one.
template <class V, int kStride>
void multiply(int rows, int columns, const TileProduct& product) {
  if constexpr (V::kLanes == 16) {  // one vector is a block of channels
    if (columns == V::kLanes) return multiply_rows<V, 1, kStride>(rows, product);
  }
  multiply_rows<V, 2, kStride>(rows, product);
}

}  // namespace
}  // namespace resnet
