// Direct convolution by rows: the input rows that a few rows of the output need are copied once, padding included, so
// that a tile's pixels stand a cache line apart at every tap of the window; neighbouring windows share what they have
// in common. A window that reaches over several pixels of a picture with few channels is taken row by row, a row in as
// few lines as hold it. One template for all types of values: P is a kind of product (conv_product.h).
#pragma once

#include "kernels/vector/conv_algorithm.h"
#include "kernels/vector/conv_panel.h"
#include "kernels/vector/conv_product.h"

namespace resnet {
namespace {

template <class P>
struct RowConv {
  using V = typename P::Vector;
  using Value = typename P::Value;
  using Element = typename P::Element;
  static constexpr int kPixels = V::kTilePixels;
  static constexpr int kColumns = V::kLanes * V::kTileVectors;
  static constexpr int kLine = kChannelBlock * P::kPack;        // values
  static constexpr int kRowValues = 256;                        // of a window's row, where pixels are not padded
  static constexpr std::int64_t kWeightBytes = V::kCacheBytes;  // of a tile of columns, to stay in the cache
  static constexpr std::int64_t kMostPanelWords = 4 * 1024 * 1024;

  // The panel holds [plane][row of the input][place of a line]. A step reads, for pixel x of row y of the block,
  //   where the input is padded to blocks of channels: at tap (dy, dx), one plane of the line's channels for each
  //   remainder of dx by the stride, at row stride * y + dy and place x + dx / stride;
  //   else: in row dy of the window, one plane for each line, at row stride * y + dy and place x.
  struct Shape : Geometry {
    int window_rows;  // that a pixel's window reaches over
    int planes, places;
    int phases;      // remainders of dx by the stride; 1 where the input is not padded
    int block_rows;  // of the output, at a time

    explicit Shape(const ConvShape& s) : Geometry(geometry(s, P::kPack)) {
      const int reach = (s.kernel - 1) * s.dilation;
      window_rows = reach + 1;
      phases = 1;
      places = s.out_width;
      if (s.dense_input) {
        const int words = ceil_divide(s.kernel * s.in_channels, P::kPack);
        int lines = ceil_divide(words, kChannelBlock);
        // One more where that wastes less: 21 words are three times 7 rather than twice 11.
        if ((lines + 1) * ceil_divide(words, lines + 1) < lines * ceil_divide(words, lines)) ++lines;
        steps = s.kernel * lines;
        count = ceil_divide(words, lines);
        planes = lines;
      } else {
        phases = smaller(s.stride, window_rows);
        places += reach / s.stride;
        planes = tap_steps() * phases;
      }
      const std::int64_t row = std::int64_t{planes} * places * kChannelBlock;
      const auto fit = static_cast<int>(panel_bytes<V>() / 4 / row);
      block_rows = smaller(larger((fit - window_rows) / s.stride + 1, 1), s.out_height);
    }

    int rows_of(const ConvShape& s, int output_rows) const { return (output_rows - 1) * s.stride + window_rows; }
    std::int64_t panel_words(const ConvShape& s) const {
      return std::int64_t{planes} * rows_of(s, block_rows) * places * kChannelBlock;
    }
  };

  static Refusal refuse(const ConvShape& s) noexcept {
    if (const Refusal refusal = refuse_values<P>(s); refusal != Refusal::kNone) return refusal;
    if (P::kRule == WeightRule::kShort && s.dense_input) return Refusal::kOtherOrderOfWeights;
    if (s.groups > 1) return Refusal::kGrouped;
    if (s.kernel == 1) return Refusal::kNothingShared;
    if (s.dense_input && s.kernel * s.in_channels > kRowValues) return Refusal::kLongWindowRows;
    if (s.dense_input && s.dilation > 1) return Refusal::kDilated;
    const Shape g(s);
    if (g.depth() * kColumns * 4 > kWeightBytes) return Refusal::kManyWeights;
    if (g.panel_words(s) > kMostPanelWords) return Refusal::kWideRows;
    return Refusal::kNone;
  }

  static std::size_t packed_bytes(const ConvShape& s) noexcept {
    const Shape g(s);
    return static_cast<std::size_t>(g.depth() * g.columns) * sizeof(float);
  }

  static int pack_unit(const ConvShape&) noexcept { return kColumns; }

  static void pack(const ConvShape& s, int begin, int end, const float* weights, void* packed) noexcept {
    const Shape g(s);
    const int stop = end < s.out_channels ? end : g.columns;
    for (int column = begin; column < stop; column += kColumns) {
      auto* to = static_cast<Element*>(packed) + column * g.depth() * P::kPack;
      const float* own = weights + (column - begin) * weights_of_channel(s);
      const int width = smaller(kColumns, g.columns - column);
      if (s.dense_input) {
        pack_rows(s, g, column, width, own, to);
      } else {
        pack_tile<P>(s, g, column, width, own, to);
      }
    }
  }

  // As pack_tile(), of windows that are taken row by row.
  static void pack_rows(const ConvShape& s, const Shape& g, int first, int width, const float* weights, Element* out) {
    const int values = s.kernel * s.in_channels;
    const int line = g.count * P::kPack;
    fill(out, static_cast<int>(g.depth()) * width * P::kPack, Element{});
    for (int column = first; column < smaller(first + width, s.out_channels); ++column) {
      const float* own = weights + (column - first) * weights_of_channel(s);
      for (int dy = 0; dy < s.kernel; ++dy) {
        for (int k = 0; k < values; ++k) {
          const int step = dy * g.planes + k / line;
          const int word = step * g.count + k % line / P::kPack;
          const float weight = own[(k % s.in_channels * s.kernel + dy) * s.kernel + k / s.in_channels];
          out[(word * width + column - first) * P::kPack + k % P::kPack] = P::weight(weight);
        }
      }
    }
  }

  // A panel, the places of its steps, and a padded row of a picture.
  static std::size_t scratch_bytes(const ConvShape& s) noexcept {
    const Shape g(s);
    return sizeof(float) * static_cast<std::size_t>(g.panel_words(s)) + offsets_bytes(g) +
           (s.dense_input ? sizeof(Value) * static_cast<std::size_t>(row_values(s) + kLine) : 0);
  }
  static std::size_t offsets_bytes(const Shape& g) {
    return sizeof(std::int32_t) * static_cast<std::size_t>(ceil_divide(g.steps, kChannelBlock) * kChannelBlock);
  }
  static std::int64_t row_values(const ConvShape& s) {
    return std::int64_t{s.in_width + 2 * s.padding} * s.in_channels;
  }

  static int tasks(const ConvShape& s, int threads) noexcept { return direct_tasks(Shape(s), threads); }

  // Tasks take whole rows.
  static Split split(const ConvShape& s, const Shape& g, int tasks) {
    return Split(std::int64_t{s.batch} * s.out_height, s.out_width, g.columns, kColumns, true, tasks);
  }

  static double cost(const ConvShape& s, int threads) noexcept {
    const Shape g(s);
    const int all = tasks(s, threads);
    const Split split = RowConv::split(s, g, all);
    const std::int64_t blocks = ceil_divide(s.out_height, g.block_rows) * std::int64_t{s.batch};
    const double copies = static_cast<double>(blocks * g.panel_words(s)) * split.column_parts;
    const std::int64_t rows = std::int64_t{s.batch} * s.out_height;
    const std::int64_t tiles = rows * ceil_divide(s.out_width, kPixels) * ceil_divide(g.columns, kColumns);
    const auto sums = static_cast<double>(tiles * kPixels * kColumns);
    return direct_cost(split.work * static_cast<double>(g.depth()), P::kDotCost, copies, sums, threads);
  }

  static void run(const ConvCall& call, int task, int tasks, void* scratch) noexcept {
    const ConvShape& s = call.shape;
    const Shape g(s);
    const Split split = RowConv::split(s, g, tasks);
    const Part units(ceil_divide(g.columns, kColumns), task % split.column_parts, split.column_parts);
    const Part rows(std::int64_t{s.batch} * s.out_height, task / split.column_parts, tasks / split.column_parts);
    RowConv conv(call, g, static_cast<float*>(scratch));
    conv.begin_ = static_cast<int>(units.begin) * kColumns;
    conv.end_ = smaller(static_cast<int>(units.end) * kColumns, g.columns);
    for (std::int64_t row = rows.begin; row < rows.end;) {  // a block lies in one picture
      const std::int64_t picture = row / s.out_height;
      const auto first = static_cast<int>(row % s.out_height);
      const auto last = smaller(s.out_height, static_cast<int>(rows.end - row) + first);
      const Part part = Part::between(first, last);
      const int blocks = ceil_divide(part.size(), g.block_rows);
      for (int block = 0; block < blocks; ++block) {
        const Part now = part.part(block, blocks);
        conv.next_ = block + 1 < blocks ? part.part(block + 1, blocks).end : 0;
        conv.run_block(picture, static_cast<int>(now.begin), static_cast<int>(now.size()));
      }
      row += part.size();
    }
  }

  RowConv(const ConvCall& call, const Shape& g, float* scratch) : call_(call), g_(g), panel_(scratch) {
    auto* after = reinterpret_cast<std::byte*>(scratch + g.panel_words(call.shape));
    offsets_ = reinterpret_cast<std::int32_t*>(after);
    row_ = reinterpret_cast<Value*>(after + offsets_bytes(g));
  }

  // Output rows [first, first + count) of a picture.
  void run_block(std::int64_t picture, int first, int count) {
    const ConvShape& s = call_.shape;
    rows_ = g_.rows_of(s, count);
    set_offsets();
    const std::int64_t picture_values = std::int64_t{s.in_height} * s.in_width * input_pitch(s);
    const auto* image = static_cast<const Value*>(call_.input) + picture * picture_values;
    const int top = first * s.stride - s.padding;
    for (int row = 0; row < rows_; ++row) fill_row(image, top + row, row);
    const int tiles = ceil_divide(s.out_width, kPixels);
    fetch_input(image, top + rows_, std::int64_t{tiles} * count * ceil_divide(end_ - begin_, kColumns));
    const std::int64_t pixel = (picture * s.out_height + first) * s.out_width;
    const int strip = strip_columns<P>(g_);
    for (int column = begin_; column < end_; column += strip) {
      const int stop = smaller(column + strip, end_);
      const int next = stop < end_ ? stop : begin_;
      const std::int64_t products = std::int64_t{tiles} * count * ceil_divide(stop - column, kColumns);
      ahead_.weights = Stream(weights(next), g_.depth() * smaller(strip, end_ - next) * 4, products * g_.steps);
      run_tiles(pixel, count, column, stop, next);
    }
  }

  const float* weights(int column) const { return static_cast<const float*>(call_.weights) + column * g_.depth(); }

  // Meanwhile, the rows of the picture from `row` on that the next block needs.
  void fetch_input(const Value* image, int row, std::int64_t products) {
    const ConvShape& s = call_.shape;
    ahead_.input = {};
    if (next_ == 0) return;
    const int stop = smaller(static_cast<int>(next_ - 1) * s.stride - s.padding + g_.window_rows, s.in_height);
    const std::int64_t values = std::int64_t{s.in_width} * input_pitch(s);
    if (row >= 0 && row < stop) {
      ahead_.input =
          Stream(image + row * values, (stop - row) * values * std::int64_t{sizeof(Value)}, products * g_.steps);
    }
  }

  // --- panels ---

  std::int64_t place(int plane, int row) const { return (std::int64_t{plane} * rows_ + row) * g_.places; }

  void set_offsets() {
    const ConvShape& s = call_.shape;
    int step = 0;
    for (int dy = 0; dy < s.kernel; ++dy) {
      if (s.dense_input) {
        for (int line = 0; line < g_.planes; ++line) {
          offsets_[step++] = static_cast<std::int32_t>(place(line, dy) * kChannelBlock);
        }
        continue;
      }
      for (int dx = 0; dx < s.kernel; ++dx) {
        const int x = dx * s.dilation;
        for (int k = 0; k < g_.tap_steps(); ++k) {
          const std::int64_t at = place(k * g_.phases + x % s.stride, dy * s.dilation) + x / s.stride;
          offsets_[step++] = static_cast<std::int32_t>(at * kChannelBlock);
        }
      }
    }
  }

  Element* lines(int plane, int row) { return reinterpret_cast<Element*>(panel_) + place(plane, row) * kLine; }

  // Row `row` of the panel from row y of the picture, which may lie outside.
  void fill_row(const Value* image, int y, int row) {
    const ConvShape& s = call_.shape;
    const bool inside = y >= 0 && y < s.in_height;
    const Value* in = image + (inside ? std::int64_t{y} * s.in_width * input_pitch(s) : 0);
    if (s.dense_input) {
      fill_windows(inside ? in : nullptr, row);
      return;
    }
    const auto copy = g_.step_blocks == P::kPack ? copy_pixels<P::kPack> : copy_pixels<1>;
    for (int phase = 0; phase < g_.phases; ++phase) {
      const Inside there(phase - s.padding, s.stride, s.in_width, inside ? g_.places : 0);
      const std::int64_t step = g_.phases * (place(1, 0) - place(0, 0)) * kLine;  // to a pixel's next line
      Element* to = lines(phase, row);
      copy(s, g_, in + std::int64_t{phase - s.padding} * input_pitch(s), there, P::zero(call_.zero_point), to, step);
    }
  }

  // The pixels of a row that stand `stride` apart, from `in` on, in `places` places; what lies outside is `zero`.
  template <int kBlocks>
  static void copy_pixels(const ConvShape& s, const Shape& g, const Value* in, const Inside& there, Element zero,
                          Element* to, std::int64_t step) {
    constexpr int kValues = kBlocks * kChannelBlock;
    const std::int64_t next = std::int64_t{s.stride} * input_pitch(s);
    const int steps = g.tap_steps();
    const auto clear = [&](int x) {
      for (int k = 0; k < steps; ++k) clear_blocks<P, kBlocks>(zero, to + x * kLine + k * step);
    };
    for (int x = 0; x < there.begin; ++x) clear(x);
    for (int x = there.begin; x < there.end; ++x) {
      for (int k = 0; k < steps; ++k) {
        P::template copy_blocks<kBlocks>(in + x * next + k * kValues, to + x * kLine + k * step);
      }
    }
    for (int x = there.end; x < g.places; ++x) clear(x);
  }

  // The row of each pixel's window, from a row of a picture that is not padded; null: one that lies outside.
  void fill_windows(const Value* in, int row) {
    const ConvShape& s = call_.shape;
    const Value zero = call_.zero_point;  // 0 where values are floats
    const int border = s.padding * s.in_channels;
    const int own = s.in_width * s.in_channels;
    const auto all = static_cast<int>(row_values(s));
    if (in != nullptr) {
      fill(row_, border, zero);
      __builtin_memcpy(row_ + border, in, static_cast<std::size_t>(own) * sizeof(Value));
      fill(row_ + border + own, all - border - own + kLine, zero);
    } else {
      fill(row_, all + kLine, zero);
    }
    const int values = s.kernel * s.in_channels;
    const int line = g_.count * P::kPack;
    for (int plane = 0; plane < g_.planes; ++plane) {
      const int count = smaller(line, values - plane * line);
      Element* to = lines(plane, row);
      const Value* from = row_ + plane * line;
      for (int x = 0; x < s.out_width; ++x, from += s.stride * s.in_channels, to += kLine) {
        P::template copy_blocks<P::kPack>(from, to);
        if constexpr (P::kType != ValueType::kU8) {
          for (int k = count; k < line; ++k) to[k] = 0;  // multiplied with 0, but may be NaN
        }
      }
    }
  }

  // --- products ---

  // Columns [begin, end), after which those from `next_column` on come.
  void run_tiles(std::int64_t pixel, int count, int begin, int end, int next_column) {
    const ConvShape& s = call_.shape;
    const EqualParts tiles(Part::between(0, s.out_width), ceil_divide(s.out_width, kPixels));
    TileProduct product = direct_product<P>(call_, g_, g_.steps, true, ahead_);
    product.offsets = offsets_;
    for (int row = 0; row < count; ++row) {
      const float* inputs = panel_ + place(0, row * s.stride) * kChannelBlock;
      for (int tile = 0; tile < tiles.count; ++tile) {
        const std::int64_t x = tiles.first(tile);
        const std::int64_t first = (pixel + std::int64_t{row} * s.out_width + x) * g_.columns;
        const std::int64_t after = row + 1 == count && tile + 1 == tiles.count
                                       ? pixel * g_.columns + next_column
                                       : first + std::int64_t{tiles.size_of(tile)} * g_.columns + begin;
        product.panel = inputs + x * kChannelBlock;
        for (int column = begin; column < end; column += kColumns) {
          const int width = smaller(kColumns, end - column);
          const std::int64_t here = first + column;
          const std::int64_t next = column + width < end ? here + width : after;
          product.weights = weights(column);
          multiply_direct<P>(call_, product, tiles.size_of(tile), column, width, here, next, true, true);
        }
      }
    }
  }

  const ConvCall& call_;
  const Shape& g_;
  float* panel_;
  std::int32_t* offsets_;
  Value* row_;
  int begin_ = 0, end_ = 0;  // columns of the task
  std::int64_t next_ = 0;    // where the next block of the picture ends, 0 where there is none
  int rows_ = 0;             // of the block's panel
  Ahead ahead_;
};

template <class P>
constexpr ConvAlgorithm row_conv(const char* name) {
  return conv_algorithm<RowConv<P>, P>(name, ConvFamily::kDirect);
}

}  // namespace
}  // namespace resnet
