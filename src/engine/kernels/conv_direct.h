// Direct convolution as a matrix product: tiles of output pixels, taken in order across rows and pictures so that no
// lane is idle, x tiles of output channels. The inputs of a few tiles are copied into panels that stay in the cache
// while all output channels of the task pass over them; a long inner dimension is taken in chunks, with the sums kept
// in the output in between.
#pragma once

#include "engine/kernels/conv_panel.h"
#include "engine/kernels/conv_tile.h"

namespace resnet {
namespace {

constexpr int kChunkValues = 512;               // of the inner dimension
constexpr int kPanelValues = 64 * 1024;         // of all panels together: 256 KiB
constexpr std::int64_t kTaskWork = 10'000'000;  // multiply-adds worth a task of its own

template <class V, Layout kLayout>
struct DirectConv {
  static constexpr int kPixels = V::kTilePixels;
  static constexpr int kColumns = V::kLanes * V::kTileVectors;
  static constexpr int kStride = kLayout == Layout::kTaps ? kChannelBlock : kRowStride;

  static const char* refuse(const ConvShape& s) noexcept {
    if constexpr (kLayout == Layout::kRows) {
      if (!s.dense_input) return "the input is padded to blocks of channels";
      if (s.groups > 1) return "grouped";
      if (s.dilation > 1) return "dilated";
      if (s.kernel * s.in_channels > kRowStride) return "more than 32 values in a row of the window";
    }
    return nullptr;
  }

  static std::size_t packed_bytes(const ConvShape& s) noexcept {
    const Geometry g = geometry(s, kLayout);
    return static_cast<std::size_t>(g.depth() * g.columns) * sizeof(float);
  }

  static int chunks(const Geometry& g) { return ceil_divide(g.steps, kChunkValues / kStride); }
  static int chunk_steps(const Geometry& g) { return ceil_divide(g.steps, chunks(g)); }

  // Tiles of pixels whose panels are kept at the same time.
  static int group_tiles(const Geometry& g) {
    const int panel = chunk_steps(g) * kPixels * kStride;
    return larger(1, smaller(kPanelValues / panel, ceil_divide(g.pixels, kPixels)));
  }

  static std::size_t scratch_bytes(const ConvShape& s) noexcept {
    const Geometry g = geometry(s, kLayout);
    return sizeof(float) * group_tiles(g) * chunk_steps(g) * kPixels * kStride;
  }

  static int tasks(const ConvShape& s, int threads) noexcept {
    const Geometry g = geometry(s, kLayout);
    const std::int64_t work = g.pixels * g.depth() * g.columns / threads;
    const auto each = work / kTaskWork;
    return threads * static_cast<int>(each < 1 ? 1 : each > 4 ? 4 : each);
  }

  // Of `tasks` tasks, how many to lay side by side over the columns; the others cut the pixels. The cost of an
  // arrangement: the product with its imbalance, copying inputs into panels for each part of the columns, and fetching
  // all weights for each part of the pixels; in multiply-adds of a vector, per step and lane.
  static int column_parts(const Geometry& g, int tasks) {
    const int unit = g.slice_columns < g.columns ? g.slice_columns : kColumns;
    const int units = ceil_divide(g.columns, unit);
    int best = 1;
    double best_cost = 0;
    for (int parts = 1; parts <= smaller(tasks, units); ++parts) {
      if (tasks % parts != 0) continue;
      const int pixel_parts = tasks / parts;
      const double product =
          static_cast<double>(ceil_divide(g.pixels, pixel_parts)) * ceil_divide(units, parts) * unit * tasks;
      const double copies = g.slice_columns < g.columns ? 0 : 2.0 * static_cast<double>(g.pixels) * parts;
      const double cost = product + copies + 4.0 * g.columns * pixel_parts;
      if (best_cost == 0 || cost < best_cost) {
        best = parts;
        best_cost = cost;
      }
    }
    return best;
  }

  static void run(const ConvCall& call, int task, int tasks, void* scratch) noexcept {
    const Geometry g = geometry(call.shape, kLayout);
    const int parts = column_parts(g, tasks);
    const int unit = g.slice_columns < g.columns ? g.slice_columns : kColumns;
    const Part units(ceil_divide(g.columns, unit), task % parts, parts);
    const int begin = static_cast<int>(units.begin) * unit;
    const int end = smaller(static_cast<int>(units.end) * unit, g.columns);
    const Part pixels(g.pixels, task / parts, tasks / parts);
    const int groups = ceil_divide(pixels.size(), static_cast<std::int64_t>(group_tiles(g)) * kPixels);
    for (int group = 0; group < groups; ++group) {
      Part part(pixels.size(), group, groups);
      part.begin += pixels.begin;
      part.end += pixels.begin;
      for (int column = begin; column < end;) {
        const int slice = column / g.slice_columns * g.slice_columns;
        const int stop = smaller(end, slice + g.slice_columns);
        run_slice(call, g, part, slice, column, stop, static_cast<float*>(scratch));
        column = stop;
      }
    }
  }

  // Columns [begin, end), which lie in one slice, at these pixels.
  static void run_slice(const ConvCall& call, const Geometry& g, Part pixels, int slice, int begin, int end,
                        float* scratch) {
    const ConvShape& s = call.shape;
    const int tiles = ceil_divide(pixels.size(), kPixels);
    const int parts = chunks(g);
    const std::int64_t panel_values = static_cast<std::int64_t>(chunk_steps(g)) * kPixels * kStride;
    for (int chunk = 0; chunk < parts; ++chunk) {
      const Part steps(g.steps, chunk, parts);
      const int from = static_cast<int>(steps.begin);
      const int to = static_cast<int>(steps.end);
      for (int tile = 0; tile < tiles; ++tile) {
        const Part part(pixels.size(), tile, tiles);
        const Windows<V> windows(call, pixels.begin + part.begin, static_cast<int>(part.size()));
        float* panel = scratch + tile * panel_values;
        if constexpr (kLayout == Layout::kTaps) {
          fill_taps<V>(s, g, windows, first_block(s, g, slice), from, to, panel);
        } else {
          fill_rows<V>(s, windows, from, to, panel);
        }
      }
      for (int column = begin; column < end; column += kColumns) {
        const int width = smaller(kColumns, end - column);
        TileProduct product;
        product.weights = static_cast<const float*>(call.weights) + column * g.depth() + steps.begin * g.count * width;
        product.steps = to - from;
        product.count = g.count;
        product.bias = chunk == 0 ? call.bias + column : nullptr;
        product.relu = s.relu && chunk == parts - 1;
        product.output_pitch = g.columns;
        for (int tile = 0; tile < tiles; ++tile) {
          const Part part(pixels.size(), tile, tiles);
          const std::int64_t at = (pixels.begin + part.begin) * g.columns + column;
          product.panel = scratch + tile * panel_values;
          product.residual = s.residual && chunk == parts - 1 ? call.residual + at : nullptr;
          product.output = call.output + at;
          multiply<V, kStride>(static_cast<int>(part.size()), width, product);
        }
      }
    }
  }
};

}  // namespace
}  // namespace resnet
