// Direct convolution as a matrix product: tiles of output pixels, taken in order across rows and pictures so that no
// lane is idle, x tiles of output channels. The inputs of a few tiles are copied into panels that stay in the cache
// while all output channels of the task pass over them; in float32, a long inner dimension is taken in chunks, with the
// sums kept in the output in between. One template for all types of values: P is a kind of product (conv_product.h).
#pragma once

#include "kernels/vector/conv_algorithm.h"
#include "kernels/vector/conv_panel.h"
#include "kernels/vector/conv_product.h"

namespace resnet {
namespace {

constexpr int kChunkValues = 512;  // of the inner dimension

template <class P>
struct DirectConv {
  using Value = typename P::Value;
  using Element = typename P::Element;
  static constexpr int kPixels = P::Vector::kTilePixels;
  static constexpr int kColumns = P::Vector::kLanes * P::Vector::kTileVectors;
  static constexpr int kPanelWords = P::kPanelBytes / 4;
  static constexpr std::int64_t kValueSize = sizeof(Value);

  static Geometry geometry_of(const ConvShape& s) { return geometry(s, P::kPack); }

  static Refusal refuse(const ConvShape& s) noexcept { return refuse_values<P>(s); }

  static std::size_t packed_bytes(const ConvShape& s) noexcept {
    const Geometry g = geometry_of(s);
    return static_cast<std::size_t>(g.depth() * g.columns) * sizeof(float);
  }

  static int pack_unit(const ConvShape& s) noexcept { return column_unit(geometry_of(s)); }

  static void pack(const ConvShape& s, int begin, int end, const float* weights, void* packed) noexcept {
    const Geometry g = geometry_of(s);
    const int stop = end < s.out_channels ? end : g.columns;
    for (int column = begin; column < stop;) {
      const int slice = column / g.slice_columns * g.slice_columns;
      const int width = smaller(kColumns, slice + g.slice_columns - column);
      auto* to = static_cast<Element*>(packed) + column * g.depth() * P::kPack;
      pack_tile<P>(s, g, column, width, weights + (column - begin) * weights_of_channel(s), to);
      column += width;
    }
  }

  // Sums of other types than the output's cannot be kept there.
  static int chunks(const Geometry& g) { return P::kPack > 1 ? 1 : ceil_divide(g.steps, kChunkValues / kChannelBlock); }
  static int chunk_steps(const Geometry& g) { return ceil_divide(g.steps, chunks(g)); }

  // Tiles of pixels whose panels are kept at the same time.
  static int group_tiles(const Geometry& g) {
    const int tiles = static_cast<int>(kPanelWords / panel_words(g));
    return larger(1, smaller(tiles, ceil_divide(g.pixels, kPixels)));
  }

  static std::int64_t panel_words(const Geometry& g) {
    return static_cast<std::int64_t>(chunk_steps(g)) * kPixels * kChannelBlock;
  }

  static std::size_t scratch_bytes(const ConvShape& s) noexcept {
    const Geometry g = geometry_of(s);
    return sizeof(float) * static_cast<std::size_t>(group_tiles(g) * panel_words(g));
  }

  static int tasks(const ConvShape& s, int threads) noexcept { return direct_tasks(geometry_of(s), threads); }

  // Tasks begin at multiples of so many columns.
  static int column_unit(const Geometry& g) { return g.slice_columns < g.columns ? g.slice_columns : kColumns; }

  static Split split(const Geometry& g, int tasks) {
    return Split(g.pixels, 1, g.columns, column_unit(g), g.slice_columns == g.columns, tasks);
  }

  static double cost(const ConvShape& s, int threads) noexcept {
    const Geometry g = geometry_of(s);
    const Split split = DirectConv::split(g, tasks(s, threads));
    const auto depth = static_cast<double>(g.depth());
    const double copies = depth * static_cast<double>(g.pixels) * split.column_parts;
    const double tiles = static_cast<double>(ceil_divide(g.pixels, kPixels)) * ceil_divide(g.columns, kColumns);
    return direct_cost(split.work * depth, P::kDotCost, copies, tiles * kPixels * kColumns, threads);
  }

  static void run(const ConvCall& call, int task, int tasks, void* scratch) noexcept {
    const Geometry g = geometry_of(call.shape);
    const int parts = split(g, tasks).column_parts;
    const int unit = column_unit(g);
    const Part units(ceil_divide(g.columns, unit), task % parts, parts);
    DirectConv conv(call, g, static_cast<float*>(scratch));
    conv.begin_ = static_cast<int>(units.begin) * unit;
    conv.end_ = smaller(static_cast<int>(units.end) * unit, g.columns);
    conv.run_pixels(Part(g.pixels, task / parts, tasks / parts));
  }

  DirectConv(const ConvCall& call, const Geometry& g, float* scratch) : call_(call), g_(g), scratch_(scratch) {}

  void run_pixels(Part pixels) {
    const int groups = ceil_divide(pixels.size(), static_cast<std::int64_t>(group_tiles(g_)) * kPixels);
    for (int group = 0; group < groups; ++group) {
      const Part part = pixels.part(group, groups);
      last_group_ = group == groups - 1;
      ahead_ = {};
      if (!last_group_) fetch_pixels(part, pixels.part(group + 1, groups));
      for (int column = begin_; column < end_;) {
        const int slice = column / g_.slice_columns * g_.slice_columns;
        const int stop = smaller(end_, slice + g_.slice_columns);
        run_slice(part, slice, column, stop);
        column = stop;
      }
    }
  }

  // During this group's products, the inputs that the next group needs and this one does not.
  void fetch_pixels(Part now, Part next) {
    const ConvShape& s = call_.shape;
    const std::int64_t products =
        static_cast<std::int64_t>(ceil_divide(now.size(), kPixels)) * ceil_divide(end_ - begin_, kColumns);
    const std::int64_t steps = products * g_.steps;
    if (s.stride <= s.kernel) {  // else most of what lies between is not needed
      const std::int64_t from = inputs_of_first(s, now.end) * kValueSize;
      const std::int64_t bytes = inputs_of_first(s, next.end) * kValueSize - from;
      ahead_.input = Stream(static_cast<const std::byte*>(call_.input) + from, bytes, steps);
    }
  }

  const float* weights(int chunk, int column, int width) const {
    return static_cast<const float*>(call_.weights) + column * g_.depth() + steps(chunk).begin * g_.count * width;
  }

  Part steps(int chunk) const { return Part(g_.steps, chunk, chunks(g_)); }

  // Columns [begin, end), which lie in one slice, at these pixels.
  void run_slice(Part pixels, int slice, int begin, int end) {
    const int count = chunks(g_);
    for (int chunk = 0; chunk < count; ++chunk) {
      fill_panels(pixels, slice, steps(chunk));
      const int strip = strip_columns<P>(g_);
      for (int column = begin; column < end; column += strip) {
        const int stop = smaller(column + strip, end);
        fetch_weights(pixels, chunk, column, stop, begin, end);
        run_tiles(pixels, chunk, column, stop, stop < end ? stop : begin);
      }
    }
  }

  // During these products, the weights of the next ones: of the next columns, chunk or group of pixels.
  void fetch_weights(Part pixels, int chunk, int column, int stop, int begin, int end) {
    ahead_.weights = {};
    int next = stop;
    int next_chunk = chunk;
    if (next >= end) {
      next = begin;
      if (++next_chunk == chunks(g_)) {
        if (last_group_) return;
        next_chunk = 0;
      }
    }
    const int strip = strip_columns<P>(g_);
    const std::int64_t bytes = steps(next_chunk).size() * g_.count * smaller(strip, end - next) * 4;
    const std::int64_t products =
        std::int64_t{ceil_divide(pixels.size(), kPixels)} * ceil_divide(stop - column, kColumns);
    ahead_.weights =
        Stream(weights(next_chunk, next, smaller(kColumns, end - next)), bytes, products * steps(chunk).size());
  }

  void fill_panels(Part pixels, int slice, Part steps) {
    const ConvShape& s = call_.shape;
    const EqualParts tiles(pixels, ceil_divide(pixels.size(), kPixels));
    Windows<P> windows(call_, pixels.begin);
    for (int tile = 0; tile < tiles.count; ++tile) {
      windows.take(tiles.size_of(tile));
      auto* panel = reinterpret_cast<Element*>(scratch_ + tile * panel_words(g_));
      const auto fill = g_.step_blocks == P::kPack ? fill_taps<P, P::kPack> : fill_taps<P, 1>;
      fill(s, g_, windows, first_block(s, g_, slice), static_cast<int>(steps.begin), static_cast<int>(steps.end),
           panel);
    }
  }

  // Columns [begin, end), after which those from `next_column` on come.
  void run_tiles(Part pixels, int chunk, int begin, int end, int next_column) {
    const bool last = chunk == chunks(g_) - 1;
    const EqualParts tiles(pixels, ceil_divide(pixels.size(), kPixels));
    TileProduct product = direct_product<P>(call_, g_, static_cast<int>(steps(chunk).size()), last, ahead_);
    const std::int64_t panel = panel_words(g_);
    for (int tile = 0; tile < tiles.count; ++tile) {
      const std::int64_t first = tiles.first(tile) * g_.columns;
      product.panel = scratch_ + tile * panel;
      for (int column = begin; column < end; column += kColumns) {
        const int width = smaller(kColumns, end - column);
        const std::int64_t here = first + column;
        const std::int64_t next = column + width < end     ? here + width
                                  : tile + 1 < tiles.count ? tiles.first(tile + 1) * g_.columns + begin
                                                           : pixels.begin * g_.columns + next_column;
        product.weights = weights(chunk, column, width);
        multiply_direct<P>(call_, product, tiles.size_of(tile), column, width, here, next, chunk == 0, last);
      }
    }
  }

  const ConvCall& call_;
  const Geometry& g_;
  float* scratch_;           // words
  int begin_ = 0, end_ = 0;  // columns of the task
  bool last_group_ = false;
  Ahead ahead_;
};

template <class P>
constexpr ConvAlgorithm direct_conv(const char* name) {
  return conv_algorithm<DirectConv<P>, P>(name, ConvFamily::kDirect);
}

}  // namespace
}  // namespace resnet
