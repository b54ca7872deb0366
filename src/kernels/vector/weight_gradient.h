// A weight's gradient as a product over pixels: a tile of input channels x output channels kept in registers while the
// pixels stream by, in which a value of the input, for all output channels, meets a vector of the output's gradient.
// Both are read where they lie. Pixels are taken in chunks that stay in the nearest caches while all taps and tiles
// pass over them.
#pragma once

#include "kernels/training.h"
#include "kernels/vector/conv_tile.h"
#include "kernels/weight_layout.h"

namespace resnet {
namespace {

// Pixels of a row whose windows see inside the picture at a tap.
struct PixelRun {
  const float* input;
  const float* gradient;
  int count;
};

template <class V>
struct WeightGradient {
  using Reg = typename V::Reg;
  static constexpr int kLanes = V::kLanes;
  static constexpr int kColumns = kLanes == kChannelBlock ? 2 * kChannelBlock : kChannelBlock;
  static constexpr int kRows = kLanes == kChannelBlock ? 8 : 4;
  static constexpr int kChunk = 256;                      // pixels at most
  static constexpr std::int64_t kChunkBytes = 32 * 1024;  // of input and gradient, where that leaves enough pixels

  static void run(const WeightGradientCall& call) noexcept {
    const std::int64_t bytes =
        sizeof(float) * (input_pitch(call.shape) + std::int64_t{call.last_block - call.first_block} * kChannelBlock);
    const std::int64_t fit = kChunkBytes / bytes;
    const Part all = Part::between(call.begin, call.end);
    const int chunks = ceil_divide(all.size(), fit < 64 ? 64 : fit > kChunk ? kChunk : fit);
    WeightGradient gradient(call);
    for (int chunk = 0; chunk < chunks; ++chunk) gradient.run_chunk(all.part(chunk, chunks), chunk == 0);
  }

 private:
  explicit WeightGradient(const WeightGradientCall& call)
      : call_(call), s_(call.shape), sums_(call.shape), pitch_(input_pitch(call.shape)) {}

  void run_chunk(Part pixels, bool first) {
    for (int tap = 0; tap < sums_.taps; ++tap) {
      find_runs(pixels, tap / s_.kernel * s_.dilation - s_.padding, tap % s_.kernel * s_.dilation - s_.padding);
      for (int block = call_.first_block; block < call_.last_block;) {
        const int slice = sums_.g.slice_columns / kChannelBlock;
        const int stop = smaller(call_.last_block, (block / slice + 1) * slice);
        const bool wide = (stop - block) * kChannelBlock >= kColumns;
        float* to = call_.sums + block * sums_.block_values + std::int64_t{tap} * sums_.rows * kChannelBlock;
        const int channel = sums_.first_channel(s_, block);
        const auto add = wide ? add_rows<kColumns / kLanes> : add_rows<kChannelBlock / kLanes>;
        add(*this, channel, block * kChannelBlock, to, first);
        block += wide ? kColumns / kChannelBlock : 1;
      }
    }
  }

  // Where the pixels' windows, moved by (dy, dx), lie inside their pictures.
  void find_runs(Part pixels, int dy, int dx) {
    count_ = 0;
    const std::int64_t step = std::int64_t{s_.stride} * pitch_;
    for (std::int64_t pixel = pixels.begin; pixel < pixels.end;) {
      const std::int64_t row = pixel / s_.out_width;
      const int x = static_cast<int>(pixel % s_.out_width);
      const int end = smaller(s_.out_width, static_cast<int>(x + pixels.end - pixel));
      const int y = static_cast<int>(row % s_.out_height) * s_.stride + dy;
      int from = x;
      int to = end;
      while (from < to && from * s_.stride + dx < 0) ++from;
      while (from < to && (to - 1) * s_.stride + dx >= s_.in_width) --to;
      if (y >= 0 && y < s_.in_height && from < to) {
        const std::int64_t in = (row / s_.out_height * s_.in_height + y) * s_.in_width + from * s_.stride + dx;
        add_run({call_.input + in * pitch_, call_.gradient + (pixel + from - x) * sums_.g.columns, to - from}, step);
      }
      pixel += end - x;
    }
  }

  // Joins runs that follow each other, as those of 1x1 windows do.
  void add_run(const PixelRun& run, std::int64_t step) {
    if (count_ > 0) {
      PixelRun& last = runs_[count_ - 1];
      if (last.input + last.count * step == run.input &&
          last.gradient + std::int64_t{last.count} * sums_.g.columns == run.gradient) {
        last.count += run.count;
        return;
      }
    }
    runs_[count_++] = run;
  }

  template <int kVectors>
  static void add_rows(const WeightGradient& self, int channel, int column, float* to, bool first) {
    for (int row = 0; row < self.sums_.rows; row += kRows) {
      const int rows = smaller(kRows, self.sums_.rows - row);
      self.add_some<kVectors, kRows>(rows, channel + row, column, to + row * kChannelBlock, first);
    }
  }

  template <int kVectors, int kCount>
  void add_some(int rows, int channel, int column, float* to, bool first) const {
    if constexpr (kCount > 1) {
      if (rows < kCount) return add_some<kVectors, kCount - 1>(rows, channel, column, to, first);
    }
    add_tile<kCount, kVectors>(channel, column, to, first);
  }

  template <int kCount, int kVectors>
  [[gnu::noinline]] void add_tile(int channel, int column, float* to, bool first) const {
    constexpr int kBlock = kChannelBlock / kLanes;  // vectors of a block
    const auto place = [&](int i, int j) {
      return to + j / kBlock * sums_.block_values + i * kChannelBlock + j % kBlock * kLanes;
    };
    Reg sum[kCount][kVectors];
    for_each_sum<kCount, kVectors>([&](int i, int j) { sum[i][j] = first ? V::zero() : V::load(place(i, j)); });
    const std::int64_t step = std::int64_t{s_.stride} * pitch_;
    const std::int64_t columns = sums_.g.columns;
    for (const PixelRun* run = runs_; run < runs_ + count_; ++run) {
      const float* x = run->input + channel;
      const float* dy = run->gradient + column;
      for (int n = run->count; n > 0; --n, x += step, dy += columns) {
        Reg gradient[kVectors];
        for_each_sum<1, kVectors>([&](int, int j) { gradient[j] = V::load(dy + j * kLanes); });
#pragma GCC unroll 16
        for (int i = 0; i < kCount; ++i) {
          const Reg value = V::broadcast(x + i);
#pragma GCC unroll 8
          for (int j = 0; j < kVectors; ++j) sum[i][j] = V::multiply_add(value, gradient[j], sum[i][j]);
        }
      }
    }
    for_each_sum<kCount, kVectors>([&](int i, int j) { V::store(place(i, j), sum[i][j]); });
  }

  const WeightGradientCall& call_;
  const ConvShape& s_;
  const WeightSums sums_;
  const std::int64_t pitch_;
  PixelRun runs_[kChunk];
  int count_ = 0;
};

}  // namespace
}  // namespace resnet
