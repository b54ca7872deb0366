// The kinds of products that direct convolutions are made of: what values are stored as, how many of them a word of 32
// bits holds in panels and packed weights, how kDotWords words of inputs times as many vectors of words of weights are
// added to a vector of sums, what that costs for a word, and what becomes of the sums of a tile.
//
//   kind         activations  words hold   sums   what multiplies
//   F32Product   float32      1 float32    float  fused multiply-add
//   Bf16Product  bfloat16     2 bfloat16   float  vdpbf16ps
//   ByteProduct  u8           4 u8 or s8   int32  vpdpbusd
//   WordProduct  u8           2 s16        int32  vpmaddwd, exact for all weights
//   ShortProduct u8           4 u8 or s8   int32  vpmaddubsw, exact for short weights: two words are summed in 16 bits
#pragma once

#include <type_traits>

#include "kernels/vector/conv_tile.h"
#include "kernels/vector/curves.h"

namespace resnet {
namespace {

// Sums of floats: bias + products + residual, then ReLU, stored as T or float32.
template <class V, class T>
struct FloatSums {
  using Vector = V;
  using Value = T;
  using Sum = typename V::Reg;
  static constexpr ValueType kType = std::is_same_v<T, float> ? ValueType::kF32 : ValueType::kBf16;
  static constexpr int kLanes = V::kLanes;

  template <int kRows, int kVectors>
  [[gnu::always_inline]] static void start(const TileProduct& p, Sum (&sum)[kRows][kVectors]) {
    if (p.bias == nullptr) {
      const std::int64_t pitch = p.sums_pitch;
      for_each_sum<kRows, kVectors>([&](int i, int j) { sum[i][j] = V::load(p.sums + i * pitch + j * kLanes); });
      return;
    }
    Sum bias[kVectors];
    for_each_sum<1, kVectors>([&](int, int j) { bias[j] = V::load(p.bias + j * kLanes); });
    for_each_sum<kRows, kVectors>([&](int i, int j) { sum[i][j] = bias[j]; });
  }

  template <int kRows, int kVectors>
  [[gnu::always_inline]] static void finish(const TileProduct& p, Sum (&sum)[kRows][kVectors]) {
    const std::int64_t pitch = p.output_pitch;
    if (p.residual != nullptr) {
      const T* residual = static_cast<const T*>(p.residual);
      for_each_sum<kRows, kVectors>(
          [&](int i, int j) { sum[i][j] = V::add(sum[i][j], V::load(residual + i * pitch + j * kLanes)); });
    }
    if (p.relu) {
      for_each_sum<kRows, kVectors>([&](int i, int j) { sum[i][j] = V::relu(sum[i][j]); });
    }
    if (std::is_same_v<T, float> || p.out_type == ValueType::kF32) {
      auto* output = static_cast<float*>(p.output);
      for_each_sum<kRows, kVectors>([&](int i, int j) { V::store(output + i * pitch + j * kLanes, sum[i][j]); });
    } else {
      T* output = static_cast<T*>(p.output);
      for_each_sum<kRows, kVectors>([&](int i, int j) { V::store(output + i * pitch + j * kLanes, sum[i][j]); });
    }
  }
};

// Exact sums of whole numbers. A result in float32 is sum * scale + bias + residual * residual_scale, each multiply-add
// rounded once; then it is rounded to u8 as quantize.h says, which does the ReLU, or stored as float32.
template <class V>
struct IntSums {
  using Vector = V;
  using Value = std::uint8_t;
  using Sum = typename V::Ints;
  static constexpr ValueType kType = ValueType::kU8;
  static constexpr int kLanes = V::kLanes;

  template <int kRows, int kVectors>
  [[gnu::always_inline]] static void start(const TileProduct&, Sum (&sum)[kRows][kVectors]) {
    for_each_sum<kRows, kVectors>([&](int i, int j) { sum[i][j] = V::zero_ints(); });
  }

  template <int kRows, int kVectors>
  [[gnu::always_inline]] static void finish(const TileProduct& p, Sum (&sum)[kRows][kVectors]) {
    if (p.out_type == ValueType::kU8) {
      finish_rows(p, sum, static_cast<std::uint8_t*>(p.output), [](std::uint8_t* to, const Reg(&value)[kVectors]) {
        if constexpr (2 * kLanes == kChannelBlock) {
#pragma GCC unroll 4
          for (int j = 0; j < kVectors; j += 2) V::store_block(to + j * kLanes, value[j], value[j + 1]);
        } else {
          for (int j = 0; j < kVectors; ++j) V::store(to + j * kLanes, value[j]);
        }
      });
    } else {
      const bool relu = p.relu;
      finish_rows(p, sum, static_cast<float*>(p.output), [=](float* to, const Reg(&value)[kVectors]) {
        for (int j = 0; j < kVectors; ++j) V::store(to + j * kLanes, relu ? V::relu(value[j]) : value[j]);
      });
    }
  }

 private:
  using Reg = typename V::Reg;

  // Calls store(place in the output, results) for each row of a tile. What `p` says is read before: to the compiler,
  // bytes that are stored might change it.
  template <int kRows, int kVectors, class T, class Store>
  [[gnu::always_inline]] static void finish_rows(const TileProduct& p, const Sum (&sum)[kRows][kVectors], T* output,
                                                 Store store) {
    const std::int64_t pitch = p.output_pitch;
    const float* scale = p.scale;
    const float* bias = p.bias;
    const auto* residual = static_cast<const std::uint8_t*>(p.residual);
    const Reg residual_scale = V::broadcast(&p.residual_scale);
    const auto rows = [&](auto add_residual) {
#pragma GCC unroll 16
      for (int i = 0; i < kRows; ++i) {
        Reg value[kVectors];
#pragma GCC unroll 8
        for (int j = 0; j < kVectors; ++j) {
          value[j] = V::multiply_add(V::to_float(sum[i][j]), V::load(scale + j * kLanes), V::load(bias + j * kLanes));
          value[j] = add_residual(value[j], i * pitch + j * kLanes);
        }
        store(output + i * pitch, value);
      }
    };
    if (residual == nullptr) {
      rows([](Reg value, std::int64_t) { return value; });
    } else {
      rows([&](Reg value, std::int64_t at) { return V::multiply_add(V::load(residual + at), residual_scale, value); });
    }
  }
};

// Words are multiplied one by one.
struct SingleWords {
  static constexpr int kDotWords = 1;
  static constexpr double kDotCost = 1;
  static constexpr WeightRule kRule = WeightRule::kNone;
};

template <class V>
struct F32Product : FloatSums<V, float>, SingleWords {
  using Element = float;
  static constexpr int kPack = 1;
  static constexpr int kPanelBytes = 256 * 1024;  // of all panels together, to stay in the second-level cache
  static typename V::Reg dot(const typename V::Reg* value, const typename V::Reg* weight, typename V::Reg sum) {
    return V::multiply_add(*value, *weight, sum);
  }
  static Element weight(float value) { return value; }
  static Element zero(std::uint8_t) { return 0; }

  // A few blocks of channels into a panel.
  template <int kBlocks>
  static void copy_blocks(const float* from, Element* to) {
#pragma GCC unroll 4
    for (int i = 0; i < kBlocks * kChannelBlock; i += V::kLanes) V::store(to + i, V::load(from + i));
  }
};

template <class V>
struct Bf16Product : FloatSums<V, std::uint16_t>, SingleWords {
  using Element = std::uint16_t;
  static constexpr int kPack = 2;
  static constexpr int kPanelBytes = 512 * 1024;  // processors that have bfloat16 have caches of 1 MiB and more
  static typename V::Reg dot(const typename V::Reg* value, const typename V::Reg* weight, typename V::Reg sum) {
    return V::dot_bf16(*value, *weight, sum);
  }
  // As float_to_bfloat16(), which code for one instruction set cannot share.
  static Element weight(float value) {
    std::uint32_t bits;
    __builtin_memcpy(&bits, &value, sizeof(bits));
    if (value != value) return static_cast<Element>(bits >> 16 | 0x40U);
    return static_cast<Element>((bits + 0x7FFFU + (bits >> 16 & 1U)) >> 16);
  }
  static Element zero(std::uint8_t) { return 0; }
  template <int kBlocks>
  static void copy_blocks(const std::uint16_t* from, Element* to) {
    __builtin_memcpy(to, from, 2 * kBlocks * kChannelBlock);
  }
};

template <class V>
struct ByteProduct : IntSums<V>, SingleWords {
  using Element = std::uint8_t;
  static constexpr int kPack = 4;
  static constexpr int kPanelBytes = 256 * 1024;
  static typename V::Ints dot(const typename V::Reg* value, const typename V::Reg* weight, typename V::Ints sum) {
    return V::dot_bytes(*value, *weight, sum);
  }
  static Element weight(float value) { return static_cast<Element>(static_cast<std::int8_t>(value)); }
  static Element zero(std::uint8_t zero_point) { return zero_point; }
  template <int kBlocks>
  static void copy_blocks(const std::uint8_t* from, Element* to) {
    __builtin_memcpy(to, from, kBlocks * kChannelBlock);
  }
};

template <class V>
struct ShortProduct : ByteProduct<V> {
  static constexpr int kDotWords = 2;
  static constexpr double kDotCost = 1.5;  // three multiplications for two words
  static constexpr WeightRule kRule = WeightRule::kShort;
  static typename V::Ints dot(const typename V::Reg* value, const typename V::Reg* weight, typename V::Ints sum) {
    return V::dot_short(value, weight, sum);
  }
};

template <class V>
struct WordProduct : IntSums<V>, SingleWords {
  using Element = std::int16_t;
  static constexpr int kPack = 2;
  static constexpr int kPanelBytes = 256 * 1024;
  static typename V::Ints dot(const typename V::Reg* value, const typename V::Reg* weight, typename V::Ints sum) {
    return V::dot_words(*value, *weight, sum);
  }
  static Element weight(float value) { return static_cast<Element>(value); }
  static Element zero(std::uint8_t zero_point) { return zero_point; }
  template <int kBlocks>
  static void copy_blocks(const std::uint8_t* from, Element* to) {
#pragma GCC unroll 2
    for (int i = 0; i < kBlocks * kChannelBlock; i += kChannelBlock) V::widen_block(from + i, to + i);
  }
};

// What the products of a direct convolution's tiles have in common, `steps` steps each; `last`: the sums are complete
// after them.
template <class P>
TileProduct direct_product(const ConvCall& call, const Geometry& g, int steps, bool last, Ahead& ahead) {
  constexpr int kPixels = P::Vector::kTilePixels;
  TileProduct product;
  product.steps = steps;
  product.count = g.count;
  product.residual_scale = call.residual_scale;
  product.relu = call.shape.relu && last;
  product.out_type = call.shape.out_type;
  product.output_pitch = g.columns;
  product.sums_pitch = g.columns;
  product.next_pitch = g.columns;
  product.ahead = &ahead;
  product.next_rows = ceil_divide(kPixels, steps);
  product.next_steps =
      size_in_bytes(call.shape.out_type) == sizeof(typename P::Value) ? ceil_divide(kPixels, product.next_rows) : 0;
  return product;
}

// One of them, for `width` columns from `column` on: `here` is where its outputs begin, in values, `next` where those
// of the product after it do.
template <class P>
[[gnu::always_inline]] inline void multiply_direct(const ConvCall& call, TileProduct& product, int pixels, int column,
                                                   int width, std::int64_t here, std::int64_t next, bool first,
                                                   bool last) {
  using Value = typename P::Value;
  const auto size = static_cast<std::int64_t>(size_in_bytes(call.shape.out_type));
  const auto* residual = static_cast<const Value*>(call.residual);
  const bool adds = call.shape.residual && last;
  product.bias = first ? call.bias + column : nullptr;
  product.scale = call.scale != nullptr ? call.scale + column : nullptr;
  product.residual = adds ? residual + here : nullptr;
  product.output = static_cast<std::byte*>(call.output) + here * size;
  product.sums = static_cast<const float*>(product.output);  // of chunks before
  product.next_output = static_cast<std::byte*>(call.output) + next * size;
  product.next_residual = adds ? static_cast<const void*>(residual + next) : product.next_output;
  multiply<P>(pixels, width, product);
  if (last && call.shape.curve != Curve::kNone) {
    apply_curve<typename P::Vector>(call.shape.curve, call.shape.negative_slope, static_cast<float*>(product.output),
                                    pixels, width, product.output_pitch);
  }
}

}  // namespace
}  // namespace resnet
