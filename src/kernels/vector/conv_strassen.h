// 1x1 convolution in seven eighths of the multiplications: Strassen's algorithm in the form with 15 additions that is
// called Winograd's (Douglas et al. 1994, GEMMW), one level deep, over tiles that stay in registers.
//
// Two tiles of pixels, two halves of the input channels (even and odd blocks of 16) and two tiles of output channels
// make blocks A (inputs), B (weights) and C (outputs) of 2 x 2. With
//
//   S1 = A21 + A22   S2 = S1 - A11    S3 = A11 - A21   S4 = A12 - S2
//   T1 = B12 - B11   T2 = B22 - T1    T3 = B22 - B12   T4 = T2 - B21
//   P1 = A11 B11   P2 = A12 B21   P3 = S4 B22   P4 = A22 T4   P5 = S1 T1   P6 = S2 T2   P7 = S3 T3
//
//   C11 = P1 + P2   C12 = U2 + P5 + P3   C21 = U3 - P4   C22 = U3 + P5,   U2 = P1 + P6, U3 = U2 + P7
//
// The inputs' sums are taken when panels are filled, for all output channels; those of the weights are packed, 7
// values for 4. Sums of products go from one product to the next; P5 alone is added to what is kept.
#pragma once

#include "kernels/conv_geometry.h"
#include "kernels/vector/conv_algorithm.h"
#include "kernels/vector/conv_panel.h"
#include "kernels/vector/conv_product.h"

namespace resnet {
namespace {

template <class P>
struct StrassenConv {
  using V = typename P::Vector;
  using Reg = typename V::Reg;
  static constexpr int kTile = V::kTilePixels;
  static constexpr int kColumns = V::kLanes * V::kTileVectors;
  static constexpr int kPairPixels = 2 * kTile;
  static constexpr int kPairColumns = 2 * kColumns;
  static constexpr int kPairChannels = 2 * kChannelBlock;  // of a step
  static constexpr int kProducts = 7;
  static constexpr int kChunkSteps = 16;  // of the inner dimension
  static constexpr int kLeastPixels = 64;

  static Refusal refuse(const ConvShape& s) noexcept {
    if (const Refusal refusal = refuse_values<P>(s); refusal != Refusal::kNone) return refusal;
    if (s.kernel != 1) return Refusal::kNot1x1;
    if (s.padding > 0) return Refusal::kPadded;
    if (s.groups > 1) return Refusal::kGrouped;
    if (s.dense_input) return Refusal::kDenseInput;
    if (padded_channels(s.in_channels) % kPairChannels != 0) return Refusal::kOddInputBlocks;
    if (padded_channels(s.out_channels) % kPairColumns != 0) return Refusal::kOddOutputTiles;
    if (pixels(s) < kLeastPixels) return Refusal::kFewPixels;
    if (s.residual && chunks(s) > 1) return Refusal::kResidualInTurns;
    return Refusal::kNone;
  }

  static int steps(const ConvShape& s) { return padded_channels(s.in_channels) / kPairChannels; }
  static int chunks(const ConvShape& s) { return ceil_divide(steps(s), kChunkSteps); }
  static int columns(const ConvShape& s) { return padded_channels(s.out_channels); }
  static std::int64_t pixels(const ConvShape& s) { return std::int64_t{s.batch} * s.out_height * s.out_width; }

  // Packed: [pair of column tiles][chunk][product][step][16][columns of a tile].
  static std::int64_t pair_weights(const ConvShape& s) {
    return std::int64_t{kProducts} * steps(s) * kChannelBlock * kColumns;
  }
  static std::size_t packed_bytes(const ConvShape& s) noexcept {
    return sizeof(float) * static_cast<std::size_t>(pair_weights(s) * (columns(s) / kPairColumns));
  }

  // Panels: [pair of pixel tiles][product][step][pixel of a tile][16]; then what is kept of the sums.
  static std::int64_t panel_words(const ConvShape& s) {
    return std::int64_t{kProducts} * ceil_divide(steps(s), chunks(s)) * kTile * kChannelBlock;
  }
  static int group_pairs(const ConvShape& s) {
    const auto fit = static_cast<int>(panel_bytes<V>() / 4 / panel_words(s));
    return larger(1, smaller(fit, ceil_divide(pixels(s), kPairPixels)));
  }
  static std::size_t scratch_bytes(const ConvShape& s) noexcept {
    return sizeof(float) * static_cast<std::size_t>(group_pairs(s) * panel_words(s) + 4 * kTile * kColumns);
  }

  static int pack_unit(const ConvShape&) noexcept { return kPairColumns; }

  static void pack(const ConvShape& s, int begin, int end, const float* weights, void* packed) noexcept {
    const int stop = end < s.out_channels ? end : columns(s);
    auto* out = static_cast<float*>(packed) + begin / kPairColumns * pair_weights(s);
    for (int first = begin; first < stop; first += kPairColumns) {
      for (int index = 0; index < chunks(s); ++index) {
        const Part chunk(steps(s), index, chunks(s));
        const std::int64_t product = chunk.size() * kChannelBlock * kColumns;
        for (int column = 0; column < kColumns; ++column) {
          const auto weight = [&](int of, std::int64_t channel) {
            const bool there = first + of < s.out_channels && channel < s.in_channels;
            return there ? weights[(first - begin + of) * std::int64_t{s.in_channels} + channel] : 0;
          };
          for (std::int64_t c = 0; c < chunk.size() * kChannelBlock; ++c) {
            const std::int64_t even = (chunk.begin + c / kChannelBlock) * kPairChannels + c % kChannelBlock;
            const std::int64_t odd = even + kChannelBlock;
            const float b11 = weight(column, even), b12 = weight(column + kColumns, even);
            const float b21 = weight(column, odd), b22 = weight(column + kColumns, odd);
            const float t1 = b12 - b11, t2 = b22 - t1;
            const float values[kProducts] = {b11, b21, t2, b22 - b12, b21 - t2, t1, b22};  // as they are multiplied
            for (int i = 0; i < kProducts; ++i) out[i * product + c * kColumns + column] = values[i];
          }
        }
        out += kProducts * product;
      }
    }
  }

  // --- tasks ---

  static int tasks(const ConvShape& s, int threads) noexcept { return direct_tasks(geometry(s, P::kPack), threads); }

  static Split split(const ConvShape& s, int tasks) {
    return Split(ceil_divide(pixels(s), 2), 2, columns(s), kPairColumns, true, tasks);
  }

  static double cost(const ConvShape& s, int threads) noexcept {
    constexpr double kKept = 1.75;  // times as much as a direct product's tile costs one whose sums are kept
    const Split split = StrassenConv::split(s, tasks(s, threads));
    const double depth = padded_channels(s.in_channels);
    const double copies = 1.75 * depth * static_cast<double>(pixels(s)) * split.column_parts;
    const double pairs = static_cast<double>(ceil_divide(pixels(s), kPairPixels)) * columns(s) / kPairColumns;
    const double sums = kKept * kProducts * pairs * chunks(s) * kTile * kColumns;
    return direct_cost(split.work * depth * kProducts / 8, 1, copies, sums, threads);
  }

  // --- computing ---

  static void run(const ConvCall& call, int task, int tasks, void* scratch) noexcept {
    const ConvShape& s = call.shape;
    const int parts = split(s, tasks).column_parts;
    const Part pairs(columns(s) / kPairColumns, task % parts, parts);
    const Part own(pixels(s), task / parts, tasks / parts);
    StrassenConv conv(call, static_cast<float*>(scratch));
    conv.begin_ = static_cast<int>(pairs.begin);
    conv.end_ = static_cast<int>(pairs.end);
    const int groups = ceil_divide(own.size(), std::int64_t{group_pairs(s)} * kPairPixels);
    for (int group = 0; group < groups; ++group) {
      conv.next_ = group + 1 < groups ? own.part(group + 1, groups).end : 0;
      conv.run_group(own.part(group, groups));
    }
  }

  StrassenConv(const ConvCall& call, float* scratch)
      : call_(call), panels_(scratch), kept_(scratch + group_pairs(call.shape) * panel_words(call.shape)) {}

  void run_group(Part own) {
    const ConvShape& s = call_.shape;
    const EqualParts pairs(own, ceil_divide(own.size(), kPairPixels));
    const std::int64_t products = std::int64_t{pairs.count} * (end_ - begin_) * kProducts;
    ahead_ = {};
    if (next_ > 0 && s.stride == 1) {
      const std::int64_t from = inputs_of_first(s, own.end);
      ahead_.input = Stream(static_cast<const float*>(call_.input) + from, (inputs_of_first(s, next_) - from) * 4,
                            products * steps(s));
    }
    for (int index = 0; index < chunks(s); ++index) {
      const Part chunk(steps(s), index, chunks(s));
      Windows<P> windows(call_, own.begin);
      for (int pair = 0; pair < pairs.count; ++pair) {
        fill(windows, pairs.size_of(pair), chunk, panels_ + pair * panel_words(s));
      }
      for (int unit = begin_; unit < end_; ++unit) {
        fetch_weights(unit, index, std::int64_t{pairs.count} * kProducts * chunk.size());
        for (int pair = 0; pair < pairs.count; ++pair) {
          multiply_pair(pairs.first(pair), pairs.size_of(pair), unit, index, panels_ + pair * panel_words(s));
        }
      }
    }
  }

  const float* weights(int unit, int chunk) const {
    const ConvShape& s = call_.shape;
    const std::int64_t before = Part(steps(s), chunk, chunks(s)).begin * kProducts * kChannelBlock * kColumns;
    return static_cast<const float*>(call_.weights) + unit * pair_weights(s) + before;
  }

  // During so many steps, the weights that are multiplied after these: the next pair of tiles', chunk's or group's.
  void fetch_weights(int unit, int chunk, std::int64_t count) {
    ahead_.weights = {};
    if (++unit == end_) {
      unit = begin_;
      if (++chunk == chunks(call_.shape)) chunk = 0;
    }
    const Part next(steps(call_.shape), chunk, chunks(call_.shape));
    ahead_.weights = Stream(weights(unit, chunk), kProducts * next.size() * kChannelBlock * kColumns * 4, count);
  }

  // The sums of the next `count` pixels' inputs. The second tile may have a pixel less; zeros stand for it.
  void fill(Windows<P>& windows, int count, Part chunk, float* panel) {
    const int upper = ceil_divide(count, 2);
    const float* places[2][kTile] = {};
    take(windows, upper, places[0]);
    take(windows, count - upper, places[1]);
    const std::int64_t product = chunk.size() * kTile * kChannelBlock;
    for (int pixel = 0; pixel < upper; ++pixel) {
      const bool both = upper + pixel < count;
      const float* top = places[0][pixel];
      const float* bottom = places[1][pixel];
      float* out = panel + pixel * kChannelBlock;
      for (std::int64_t step = 0; step < chunk.size(); ++step, out += kTile * kChannelBlock) {
#pragma GCC unroll 4
        for (int lane = 0; lane < kChannelBlock; lane += V::kLanes) {
          const std::int64_t at = (chunk.begin + step) * kPairChannels + lane;
          const Reg a11 = V::load(top + at);
          const Reg a12 = V::load(top + at + kChannelBlock);
          const Reg a21 = both ? V::load(bottom + at) : V::zero();
          const Reg a22 = both ? V::load(bottom + at + kChannelBlock) : V::zero();
          const Reg s1 = V::add(a21, a22);
          const Reg s2 = V::subtract(s1, a11);
          const Reg values[kProducts] = {a11, a12, s2, V::subtract(a11, a21), a22, s1, V::subtract(a12, s2)};
#pragma GCC unroll 7
          for (int i = 0; i < kProducts; ++i) V::store(out + i * product + lane, values[i]);
        }
      }
    }
  }

  // Where the inputs of the next `count` pixels stand.
  void take(Windows<P>& windows, int count, const float** places) const {
    const ConvShape& s = call_.shape;
    windows.take(count);
    for (int r = 0; r < windows.count; ++r) {
      const auto& run = windows.runs[r];
      for (int i = 0; i < run.count; ++i) {
        const std::int64_t pixel = std::int64_t{run.top} * s.in_width + run.left + i * s.stride;
        places[run.first + i] = run.picture + pixel * input_pitch(s);
      }
    }
  }

  // The outputs of a pair of pixel tiles and a pair of column tiles.
  void multiply_pair(std::int64_t first, int count, int unit, int chunk, const float* panel) {
    const ConvShape& s = call_.shape;
    const Part part(steps(s), chunk, chunks(s));
    const int upper = ceil_divide(count, 2);
    const int lower = count - upper;
    const int pitch = columns(s);
    const int column = unit * kPairColumns;
    const bool last = chunk == chunks(s) - 1;
    auto* output = static_cast<float*>(call_.output) + first * pitch + column;
    // Of the chunks after the first, what is there already is the residual.
    const float* residual = chunk > 0    ? output
                            : s.residual ? static_cast<const float*>(call_.residual) + first * pitch + column
                                         : nullptr;
    alignas(64) float bias[2][kColumns];
    for (int i = 0; i < kColumns; ++i) {
      bias[0][i] = chunk > 0 ? 0 : call_.bias[column + i];
      bias[1][i] = chunk > 0 ? 0 : call_.bias[column + kColumns + i] - bias[0][i];
    }
    float* kept[4];  // P1 and its bias, U2, U3, P5
    for (int i = 0; i < 4; ++i) kept[i] = kept_ + i * kTile * kColumns;

    TileProduct product;
    product.steps = static_cast<int>(part.size());
    product.count = kChannelBlock;
    product.scale = nullptr;
    product.out_type = ValueType::kF32;
    product.ahead = &ahead_;
    product.next_pitch = pitch;
    product.next_rows = ceil_divide(kTile, product.steps);
    product.sums_pitch = kColumns;
    const float* weights = this->weights(unit, chunk);
    const std::int64_t panel_step = part.size() * kTile * kChannelBlock;
    const std::int64_t weight_step = part.size() * kChannelBlock * kColumns;

    // Product `index`, as they are packed, on top of `sums` or of a bias.
    const auto multiply_rows = [&](int index, int rows) {
      product.panel = panel + index * panel_step;
      product.weights = weights + index * weight_step;
      multiply<P>(rows, kColumns, product);
    };
    // Keeps the sums; meanwhile the lines are fetched of the outputs of quarter (y, x).
    const auto keep = [&](int index, const float* from_bias, const float* sums, float* to, int y, int x) {
      product.bias = from_bias;
      product.sums = sums;
      product.residual = nullptr;
      product.relu = false;
      product.output = to;
      product.output_pitch = kColumns;
      const std::int64_t at = std::int64_t{y} * upper * pitch + x * kColumns;
      product.next_output = output + at;
      product.next_residual = residual != nullptr ? residual + at : output + at;
      product.next_steps = ceil_divide(y == 0 ? upper : lower, product.next_rows);
      multiply_rows(index, upper);
    };
    // Ends them: they are the outputs of quarter (y, x). Of no product, if index < 0.
    const auto end = [&](int index, const float* sums, int y, int x) {
      const std::int64_t at = std::int64_t{y} * upper * pitch + x * kColumns;
      const int rows = y == 0 ? upper : lower;
      if (rows == 0) return;
      product.bias = nullptr;
      product.sums = sums;
      product.residual = residual != nullptr ? residual + at : nullptr;
      product.relu = s.relu && last;
      product.output = output + at;
      product.output_pitch = pitch;
      product.next_steps = 0;
      product.steps = index < 0 ? 0 : static_cast<int>(part.size());
      multiply_rows(larger(index, 0), rows);
      product.steps = static_cast<int>(part.size());
      if (s.curve != Curve::kNone && last) {
        apply_curve<V>(s.curve, s.negative_slope, static_cast<float*>(product.output), rows, kColumns, pitch);
      }
    };
    keep(0, bias[0], nullptr, kept[0], 0, 0);
    end(1, kept[0], 0, 0);
    keep(2, nullptr, kept[0], kept[1], 0, 1);
    keep(3, nullptr, kept[1], kept[2], 1, 0);
    end(4, kept[2], 1, 0);
    keep(5, bias[1], nullptr, kept[3], 1, 1);
    for (int i = 0; i < upper * kColumns; i += V::kLanes) {
      const Reg p5 = V::load(kept[3] + i);
      V::store(kept[1] + i, V::add(V::load(kept[1] + i), p5));
      V::store(kept[2] + i, V::add(V::load(kept[2] + i), p5));
    }
    end(-1, kept[2], 1, 1);
    end(6, kept[1], 0, 1);
  }

  const ConvCall& call_;
  float* panels_;
  float* kept_;
  int begin_ = 0, end_ = 0;  // pairs of column tiles of the task
  std::int64_t next_ = 0;    // where the next group of pixels ends; 0: there is none
  Ahead ahead_;
};

template <class P>
constexpr ConvAlgorithm strassen_conv(const char* name) {
  return conv_algorithm<StrassenConv<P>, P>(name, ConvFamily::kStrassen);
}

}  // namespace
}  // namespace resnet
