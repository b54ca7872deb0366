// Winograd convolution F(m x m, r x r), fused: the inputs of a block of tiles are transformed into panels that stay in
// the second-level cache; for each tile of output channels the t * t products (t = m + r - 1) are taken by the
// register-blocked product of direct convolution and transformed back at once, with bias, residual and ReLU. The
// transforms are those of winograd_transform.h.
//
// Weights are packed transformed, t * t values for r * r, in the order in which they are read, once per block. Windows
// are 3x3 of stride 1 (r = 3), or 7x7 of stride 2, whose input's phases stand for it (r = 4; winograd_phases.h).
//
// P is a kind of product of floats (conv_product.h). Transforms are computed in float32; what they give is rounded
// where panels and packed weights hold narrower values.
#pragma once

#include "kernels/conv_geometry.h"
#include "kernels/vector/conv_algorithm.h"
#include "kernels/vector/conv_panel.h"
#include "kernels/vector/conv_product.h"
#include "kernels/vector/winograd_phases.h"
#include "kernels/vector/winograd_transform.h"

namespace resnet {
namespace {

template <class P, int kOutputs, int kTaps>
struct WinogradConv {
  using V = typename P::Vector;
  using Reg = typename V::Reg;
  using Value = typename P::Value;
  using Element = typename P::Element;
  using Transform = WinogradTransform<V, kOutputs, kTaps>;
  static constexpr bool kOfPhases = kTaps == 4;
  static constexpr int kSize = Transform::kSize;
  static constexpr int kElements = kSize * kSize;
  static constexpr int kTiles = V::kTilePixels;  // that a product takes together
  static constexpr int kColumns = V::kLanes * V::kTileVectors;
  static constexpr int kStepValues = kChannelBlock * P::kPack;  // input channels of a step: 16 words of 32 bits
  static constexpr int kChunkSteps = 16;                        // of the inner dimension
  // Of tiles, in a block: more would not stay in the second-level cache, fewer would read all weights more often.
  static constexpr int kMaxGroups = ceil_divide(36, kTiles);
  static constexpr int kSkew = kLineBytes / 4;  // between panels, so that they do not fall on the same lines of a cache

  // Where the quarters of a product's steps begin in its panels, in words.
  struct Quarters {
    std::int32_t offsets[4 * kChunkSteps];
    constexpr Quarters() : offsets{} {
      for (int i = 0; i < 4 * kChunkSteps; ++i) offsets[i] = i / 4 * kTiles * kChannelBlock + i % 4 * kChannelBlock / 4;
    }
  };
  static constexpr Quarters kQuarters{};

  struct Geometry {
    int tile_rows, row_tiles;  // of a picture
    std::int64_t tiles;        // of the batch
    int channels;              // the inner dimension, those of the input or of its phases
    int steps;                 // of them
    int count;                 // words of a step
    int chunks;                // of them
    int columns;               // output channels with padding
    int groups;                // of kTiles tiles, in a block

    explicit Geometry(const ConvShape& s)
        : tile_rows(ceil_divide(s.out_height, kOutputs)),
          row_tiles(ceil_divide(s.out_width, kOutputs)),
          tiles(static_cast<std::int64_t>(s.batch) * tile_rows * row_tiles),
          channels(kOfPhases ? kPhases * s.in_channels : s.in_channels),
          steps(ceil_divide(channels, kStepValues)),
          count(kOfPhases && steps == 1 ? channels : kChannelBlock),
          chunks(ceil_divide(steps, kChunkSteps)),
          columns(ceil_divide(s.out_channels, kChannelBlock) * kChannelBlock),
          groups(smaller(kMaxGroups, ceil_divide(tiles, kTiles))) {}

    std::int64_t words() const { return std::int64_t{steps} * count; }  // of the inner dimension
    Part chunk(int index) const { return Part(steps, index, chunks); }

    // Panels of transformed inputs: [element][group][step][tile of the group][16 words].
    std::int64_t panel_words() const { return std::int64_t{steps} * kTiles * kChannelBlock; }
    std::int64_t input_words() const { return groups * panel_words() + kSkew; }  // of an element
    // Products: [element][group][tile of the group][columns].
    std::int64_t product_values() const { return std::int64_t{groups} * kTiles * kColumns + kSkew; }
    // The input in phases, of each row of tiles of a block: [row of tiles][its rows][pixels of a row][channels].
    int phase_pitch() const { return steps * kStepValues; }
    std::int64_t phase_row() const { return (std::int64_t{row_tiles} * kOutputs + kTaps - 1) * phase_pitch(); }
    std::int64_t phase_values() const {
      return kOfPhases ? (ceil_divide(groups * kTiles, row_tiles) + 1) * kSize * phase_row() : 0;
    }
  };

  static Refusal refuse(const ConvShape& s) noexcept {
    if (const Refusal refusal = refuse_values<P>(s); refusal != Refusal::kNone) return refusal;
    if constexpr (kOfPhases) {
      if (s.kernel != 7) return Refusal::kNot7x7;
      if (s.stride != 2) return Refusal::kStrideNot2;
      if (!s.dense_input) return Refusal::kPaddedInput;
    } else {
      if (s.kernel != 3) return Refusal::kNot3x3;
      if (s.stride != 1) return Refusal::kStrideNot1;
      if (s.dense_input) return Refusal::kDenseInput;
    }
    if (s.groups > 1) return Refusal::kGrouped;
    return s.dilation > 1 ? Refusal::kDilated : Refusal::kNone;
  }

  static std::size_t packed_bytes(const ConvShape& s) noexcept {
    const Geometry g(s);
    return sizeof(float) * kElements * static_cast<std::size_t>(g.words() * g.columns);
  }

  static std::size_t scratch_bytes(const ConvShape& s) noexcept {
    const Geometry g(s);
    return sizeof(float) *
           static_cast<std::size_t>(kElements * (g.input_words() + g.product_values()) + g.phase_values());
  }

  static int pack_unit(const ConvShape&) noexcept { return kColumns; }

  // Packed: [column tile][chunk][element][word of the chunk][columns][kPack].
  static void pack(const ConvShape& s, int begin, int end, const float* weights, void* packed) noexcept {
    const Geometry g(s);
    const int stop = end < s.out_channels ? end : g.columns;
    auto* out = static_cast<Element*>(packed) + kElements * P::kPack * g.words() * begin;
    for (int first = begin; first < stop; first += kColumns) {
      const int width = smaller(kColumns, g.columns - first);
      for (int index = 0; index < g.chunks; ++index) {
        const Part chunk = g.chunk(index);
        const std::int64_t channels = chunk.size() * g.count * P::kPack;
        for (std::int64_t c = 0; c < channels; ++c) {
          alignas(64) float taps[kTaps * kTaps * kColumns];
          gather_taps(s, g, weights + (first - begin) * weights_of_channel(s), smaller(width, s.out_channels - first),
                      width, static_cast<int>(chunk.begin * kStepValues + c), taps);
          for (int lane = 0; lane < width; lane += V::kLanes) {
            Element* to = out + (c / P::kPack * width + lane) * P::kPack + c % P::kPack;
            Transform::weight([&](int i) { return V::load(taps + i * width + lane); },
                              [&](int i, Reg value) { put_weights(to + i * channels * width, value); });
          }
        }
        out += channels * kElements * width;
      }
    }
  }

  // A vector of transformed weights, of one channel and a vector of columns.
  static void put_weights(Element* to, Reg value) {
    if constexpr (P::kPack == 1) {
      V::store(to, value);
    } else {
      alignas(64) float lanes[V::kLanes];
      V::store(lanes, value);
      for (int i = 0; i < V::kLanes; ++i) to[i * P::kPack] = P::weight(lanes[i]);
    }
  }

  // Weights of one input channel for `width` columns, of which the first `count` exist: [tap][width].
  static void gather_taps(const ConvShape& s, const Geometry& g, const float* weights, int count, int width,
                          int channel, float* taps) {
    for (int column = 0; column < width; ++column) {
      const bool there = channel < g.channels && column < count;
      const float* from = weights + column * weights_of_channel(s);
      for (int tap = 0; tap < kTaps * kTaps; ++tap) {
        taps[tap * width + column] = !there      ? 0
                                     : kOfPhases ? phase_weight(from, s.in_channels, channel, tap / kTaps, tap % kTaps)
                                                 : from[std::int64_t{channel} * 9 + tap];
      }
    }
  }

  // --- tasks ---

  static int tasks(const ConvShape& s, int threads) noexcept {
    const Geometry g(s);
    const std::int64_t work = g.tiles * kElements * g.words() * g.columns / threads;  // products of words
    const auto each = work / kTaskWork;
    return threads * static_cast<int>(each < 1 ? 1 : each > 4 ? 4 : each);
  }

  // Of `tasks` tasks, how many to lay side by side over the columns; the others cut the tiles.
  static int column_parts(const Geometry& g, int tasks) {
    const int units = ceil_divide(g.columns, kColumns);
    int best = 1;
    double best_cost = 0;
    for (int parts = 1; parts <= smaller(tasks, units); ++parts) {
      if (tasks % parts != 0) continue;
      const double cost = task_cost(g, ceil_divide(g.tiles, tasks / parts), ceil_divide(units, parts) * kColumns);
      if (best_cost == 0 || cost < best_cost) {
        best = parts;
        best_cost = cost;
      }
    }
    return best;
  }

  // In products of words of a lane; the constants were measured (docs/engine.md).
  static double task_cost(const Geometry& g, std::int64_t tiles, int columns) {
    constexpr double kFirstFetch = 10;  // of a word of weights, from memory
    constexpr double kFetch = 5;        // of one that an earlier block has read
    constexpr double kShown = 0.25;     // of the shorter one of two that go on together
    const auto words = static_cast<double>(g.words());
    const auto count = static_cast<double>(tiles);
    const double again = ceil_divide(tiles, std::int64_t{g.groups} * kTiles) - 1;
    const double compute = count * words * columns + V::kTransformCost * count * (words * P::kPack + columns);
    const double fetch = (kFirstFetch + kFetch * again) * words * columns;
    return kElements * (compute > fetch ? compute + kShown * fetch : fetch + kShown * compute);
  }

  static double cost(const ConvShape& s, int threads) noexcept {
    const Geometry g(s);
    const int all = tasks(s, threads);
    const int parts = column_parts(g, all);
    const int columns = smaller(ceil_divide(ceil_divide(g.columns, kColumns), parts) * kColumns, g.columns);
    return task_cost(g, ceil_divide(g.tiles, all / parts), columns) * all / threads;
  }

  // --- computing ---

  static void run(const ConvCall& call, int task, int tasks, void* scratch) noexcept {
    const Geometry g(call.shape);
    const int parts = column_parts(g, tasks);
    const Part units(ceil_divide(g.columns, kColumns), task % parts, parts);
    const Part tiles(g.tiles, task / parts, tasks / parts);
    WinogradConv conv(call, g, static_cast<float*>(scratch));
    const int blocks = ceil_divide(tiles.size(), std::int64_t{g.groups} * kTiles);
    for (int block = 0; block < blocks; ++block) {
      const Part now = tiles.part(block, blocks);
      conv.ahead_ = {};
      if (block + 1 < blocks) conv.look_ahead(now, tiles.part(block + 1, blocks), units.size());
      conv.run_block(now, static_cast<int>(units.begin), static_cast<int>(units.end));
    }
  }

  WinogradConv(const ConvCall& call, const Geometry& g, float* scratch)
      : call_(call),
        g_(g),
        inputs_(scratch),
        products_(inputs_ + kElements * g.input_words()),
        phases_(products_ + kElements * g.product_values()) {}

  // Where a tile of the batch stands: its picture, and the first row and column of its outputs.
  struct Place {
    std::int64_t picture;
    int y, x;
    Place() = default;
    Place(const Geometry& g, std::int64_t tile) {
      const std::int64_t row = tile / g.row_tiles;
      picture = row / g.tile_rows;
      y = static_cast<int>(row % g.tile_rows) * kOutputs;
      x = static_cast<int>(tile % g.row_tiles) * kOutputs;
    }
    // To the next tile.
    void advance(const Geometry& g) {
      x += kOutputs;
      if (x < g.row_tiles * kOutputs) return;
      x = 0;
      y += kOutputs;
      if (y < g.tile_rows * kOutputs) return;
      y = 0;
      ++picture;
    }
    // How many rows of all inputs come before the end of the tile's.
    std::int64_t inputs_end(const ConvShape& s) const {
      return picture * s.in_height + smaller((y + kOutputs - 1) * s.stride - s.padding + s.kernel, s.in_height);
    }
    // How many pixels of all outputs come before the tile's first row, and before the end of its last.
    std::int64_t outputs_begin(const ConvShape& s) const { return (picture * s.out_height + y) * s.out_width; }
    std::int64_t outputs_end(const ConvShape& s) const {
      return (picture * s.out_height + smaller(y + kOutputs, s.out_height)) * s.out_width;
    }
  };

  // During the products of the tiles of a block, inputs that the next one alone reads are fetched.
  void look_ahead(Part tiles, Part next, std::int64_t units) {
    const ConvShape& s = call_.shape;
    const std::int64_t row = std::int64_t{s.in_width} * input_pitch(s);
    const std::int64_t begin = Place(g_, tiles.end - 1).inputs_end(s) * row;
    const std::int64_t end = Place(g_, next.end - 1).inputs_end(s) * row;
    ahead_.input = Stream(static_cast<const Value*>(call_.input) + begin, (end - begin) * std::int64_t{sizeof(Value)},
                          kElements * ceil_divide(tiles.size(), kTiles) * g_.steps * units);
  }

  // These tiles and column tiles [begin, end).
  void run_block(Part tiles, int begin, int end) {
    groups_ = ceil_divide(tiles.size(), kTiles);
    const EqualParts groups(tiles, groups_);
    if constexpr (kOfPhases) fill_rows(tiles);
    Place place(g_, tiles.begin);
    outputs_ = place.outputs_begin(call_.shape);
    output_pixels_ = Place(g_, tiles.end - 1).outputs_end(call_.shape) - outputs_;
    for (int group = 0; group < groups_; ++group) {
      group_tiles_[group] = groups.size_of(group);
      for (int tile = 0; tile < group_tiles_[group]; ++tile) {
        transform_input(place, inputs_ + group * g_.panel_words() + tile * kChannelBlock);
        places_[group * kTiles + tile] = place;
        place.advance(g_);
      }
    }
    for (int unit = begin; unit < end; ++unit) {
      const int column = unit * kColumns;
      const int width = smaller(kColumns, g_.columns - column);
      for (int chunk = 0; chunk < g_.chunks; ++chunk) multiply_chunk(chunk, column, width);
      for (int group = 0; group < groups_; ++group) {
        for (int tile = group * kTiles; tile < group * kTiles + group_tiles_[group]; ++tile) {
          const float* products = products_ + std::int64_t{tile} * width;
          for (int lane = 0; lane < width; lane += V::kLanes) {
            transform_output(places_[tile], products + lane, column + lane);
          }
          apply_curve<V>(call_, places_[tile], kOutputs, g_.columns, column, width);
        }
      }
    }
  }

  // The phases of the inputs of these tiles.
  void fill_rows(Part tiles) {
    const ConvShape& s = call_.shape;
    first_row_ = tiles.begin / g_.row_tiles;
    const std::int64_t last_row = (tiles.end - 1) / g_.row_tiles;
    float* out = phases_;
    for (std::int64_t row = first_row_; row <= last_row; ++row) {
      const auto begin = static_cast<int>(row == first_row_ ? tiles.begin - row * g_.row_tiles : 0);
      const auto end = static_cast<int>(row == last_row ? tiles.end - row * g_.row_tiles : g_.row_tiles);
      const std::int64_t picture_values = std::int64_t{s.in_height} * s.in_width * s.in_channels;
      const float* picture = static_cast<const float*>(call_.input) + row / g_.tile_rows * picture_values;
      for (int y = 0; y < kSize; ++y, out += g_.phase_row()) {
        fill_phases<V>(s, picture, static_cast<int>(row % g_.tile_rows) * kOutputs + y, begin * kOutputs,
                       end * kOutputs + kTaps - 1, g_.phase_pitch(),
                       out + std::int64_t{begin} * kOutputs * g_.phase_pitch());
      }
    }
  }

  // `words` is the tile's place in the panels of its group.
  void transform_input(const Place& place, float* words) const {
    const ConvShape& s = call_.shape;
    auto* out = reinterpret_cast<Element*>(words);
    const std::int64_t element = g_.input_words() * P::kPack;
    if constexpr (kOfPhases) {
      const std::int64_t tile_row = place.picture * g_.tile_rows + place.y / kOutputs - first_row_;
      const float* in = phases_ + tile_row * kSize * g_.phase_row() + std::int64_t{place.x} * g_.phase_pitch();
      for (int channel = 0; channel < g_.phase_pitch(); channel += V::kLanes) {
        Element* to = place_of(out, channel);
        Transform::input(
            [&](int i) { return V::load(in + i / kSize * g_.phase_row() + i % kSize * g_.phase_pitch() + channel); },
            [&](int i, Reg value) { V::store(to + i * element, value); });
      }
      return;
    }
    const int top = place.y - s.padding;
    const int left = place.x - s.padding;
    const int pitch = padded_channels(s.in_channels);
    const std::int64_t row = static_cast<std::int64_t>(s.in_width) * pitch;
    const Value* in =
        static_cast<const Value*>(call_.input) + (place.picture * s.in_height + top) * row + std::int64_t{left} * pitch;
    const bool inside = top >= 0 && left >= 0 && top + kSize <= s.in_height && left + kSize <= s.in_width;
    if (inside) {
      for_each_vector(out, [&](int channel, Element* to) {
        Transform::input([&](int i) { return V::load(in + i / kSize * row + i % kSize * pitch + channel); },
                         [&](int i, Reg value) { V::store(to + i * element, value); });
      });
    } else {
      bool there[kElements];
      for (int i = 0; i < kElements; ++i) {
        const int y = top + i / kSize;
        const int x = left + i % kSize;
        there[i] = y >= 0 && y < s.in_height && x >= 0 && x < s.in_width;
      }
      for_each_vector(out, [&](int channel, Element* to) {
        Transform::input(
            [&](int i) { return there[i] ? V::load(in + i / kSize * row + i % kSize * pitch + channel) : V::zero(); },
            [&](int i, Reg value) { V::store(to + i * element, value); });
      });
    }
    for (int channel = pitch; channel < g_.steps * kStepValues; channel += V::kLanes) {  // of a step that is not full
      for (int i = 0; i < kElements; ++i) V::store(place_of(out, channel) + i * element, V::zero());
    }
  }

  // Where a channel of a tile stands in its panel.
  static Element* place_of(Element* out, int channel) {
    return out + std::int64_t{channel / kStepValues} * kTiles * kStepValues + channel % kStepValues;
  }

  // Calls work(first channel, its place in the panel) for each vector of input channels.
  template <class Work>
  [[gnu::always_inline]] void for_each_vector(Element* out, Work work) const {
    const int channels = padded_channels(call_.shape.in_channels);
    for (int channel = 0; channel < channels; channel += V::kLanes) work(channel, place_of(out, channel));
  }

  // All elements' products of a chunk of the inner dimension, added to those of the chunks before. During an element's
  // products the weights of the next one are fetched, which stand behind its own; during those of the last chunk, the
  // lines where outputs will stand and residuals do.
  void multiply_chunk(int index, int column, int width) {
    const Part chunk = g_.chunk(index);
    const auto steps = static_cast<int>(chunk.size());
    const std::int64_t values = std::int64_t{steps} * g_.count * width;
    const auto* all = static_cast<const float*>(call_.weights);
    const float* end = all + kElements * g_.words() * g_.columns;
    const float* weights = all + kElements * (g_.words() * column + chunk.begin * g_.count * width);
    for (int element = 0; element < kElements; ++element, weights += values) {
      ahead_.weights = {};
      if (weights + values < end) {
        ahead_.weights = Stream(weights + values, values * 4, std::int64_t{groups_} * steps * parts());
      }
      multiply_element(element, static_cast<int>(chunk.begin), steps, weights, column, width);
    }
  }

  // A step reads kColumns lines of weights. Where 16 of the next ones or more were asked for together, as its block has
  // few groups of tiles, it is cut into four.
  int parts() const { return kColumns / groups_ >= 16 && !kOfPhases ? 4 : 1; }

  void multiply_element(int element, int first_step, int steps, const float* weights, int column, int width) {
    alignas(64) static constexpr float kZeros[kColumns] = {};
    TileProduct product;
    product.weights = weights;
    product.steps = steps * parts();
    product.count = g_.count / parts();
    product.offsets = parts() > 1 ? kQuarters.offsets : nullptr;
    product.bias = first_step == 0 ? kZeros : nullptr;
    product.scale = nullptr;
    product.residual = nullptr;
    product.out_type = ValueType::kF32;
    product.relu = false;
    product.output_pitch = product.sums_pitch = width;
    product.ahead = &ahead_;
    const bool ends = first_step + steps == g_.steps && size_in_bytes(call_.shape.out_type) == sizeof(Value);
    const int rows = ends ? ceil_divide(output_pixels_, std::int64_t{kElements} * groups_) : 0;
    product.next_rows = ceil_divide(rows, product.steps);
    product.next_steps = ends ? ceil_divide(rows, product.next_rows) : 0;
    product.next_pitch = g_.columns;
    const auto* output = static_cast<const Value*>(call_.output);
    const auto* residual = call_.shape.residual ? static_cast<const Value*>(call_.residual) : output;
    for (int group = 0; group < groups_; ++group) {
      const std::int64_t pixel =
          outputs_ + smaller((std::int64_t{element} * groups_ + group) * rows, output_pixels_ - rows);
      product.next_output = output + pixel * g_.columns + column;
      product.next_residual = residual + pixel * g_.columns + column;
      product.panel = inputs_ + element * g_.input_words() + group * g_.panel_words() +
                      std::int64_t{first_step} * kTiles * kChannelBlock;
      product.output = products_ + element * g_.product_values() + std::int64_t{group} * kTiles * width;
      product.sums = static_cast<const float*>(product.output);
      multiply<P>(group_tiles_[group], width, product);
    }
  }

  // `products` is the tile's and vector's place in the first element's products.
  void transform_output(const Place& place, const float* products, int column) const {
    if (std::is_same_v<Value, float> || call_.shape.out_type == ValueType::kF32) {
      transform_output(place, products, column, static_cast<float*>(call_.output));
    } else {
      transform_output(place, products, column, static_cast<Value*>(call_.output));
    }
  }

  template <class T>
  [[gnu::always_inline]] void transform_output(const Place& place, const float* products, int column,
                                               T* outputs) const {
    const ConvShape& s = call_.shape;
    const std::int64_t pitch = g_.columns;
    const std::int64_t row = s.out_width * pitch;
    const std::int64_t at = (place.picture * s.out_height + place.y) * row + place.x * pitch + column;
    const int rows = smaller(kOutputs, s.out_height - place.y);
    const int row_pixels = smaller(kOutputs, s.out_width - place.x);
    const Reg bias = V::load(call_.bias + column);
    const std::int64_t element = g_.product_values();
    const auto* residual = static_cast<const Value*>(call_.residual) + (s.residual ? at : 0);
    T* output = outputs + at;
    Transform::output([&](int i) { return V::load(products + i * element); },
                      [&](int i, Reg value) {
                        if (i / kOutputs >= rows || i % kOutputs >= row_pixels) return;
                        const std::int64_t pixel = i / kOutputs * row + i % kOutputs * pitch;
                        value = V::add(value, bias);
                        if (s.residual) value = V::add(value, V::load(residual + pixel));
                        V::store(output + pixel, s.relu ? V::relu(value) : value);
                      });
  }

  const ConvCall& call_;
  const Geometry& g_;
  float* inputs_;
  float* products_;
  float* phases_;
  std::int64_t first_row_ = 0;   // of tiles, in phases_
  int groups_ = 0;               // of the block
  int group_tiles_[kMaxGroups];  // of each of them
  Place places_[kMaxGroups * kTiles];
  std::int64_t outputs_ = 0, output_pixels_ = 0;  // of the block, in whole rows: pixels before them, and their own
  Ahead ahead_;
};

template <class P, int kOutputs, int kTaps = 3>
constexpr ConvAlgorithm winograd_conv(const char* name) {
  return conv_algorithm<WinogradConv<P, kOutputs, kTaps>, P>(name, ConvFamily::kWinograd);
}

}  // namespace
}  // namespace resnet
