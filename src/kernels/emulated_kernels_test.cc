// The convolutions for AVX-512, VNNI and BF16, over vectors of plain C++: their logic is tested on every processor, and
// all that is left to hardware are the one-liners of vector_avx512*.h. So are widths and tiles that no processor has
// yet. Tiles have fewer pixels, to compile fast; the cache is smaller, so that small shapes take several blocks.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "base/bfloat16.h"
#include "kernels/kernels_test_support.h"
#include "kernels/quantize.h"
#include "kernels/vector/conv_direct.h"
#include "kernels/vector/conv_rows.h"
#include "kernels/vector/conv_strassen.h"
#include "kernels/vector/training_table.h"
#include "kernels/vector/winograd.h"

namespace resnet {
namespace {

// Vectors of any width, and tiles of any number of them.
template <int kWidth, int kPixels, int kVectors>
struct EmulatedVector {
  static constexpr int kLanes = kWidth;
  static constexpr int kTilePixels = kPixels;
  static constexpr int kTileVectors = kVectors;
  static constexpr int kCacheBytes = 16 * 1024;
  static constexpr double kTransformCost = 10;

  template <class T>
  struct Lanes {
    T lane[kLanes];
  };
  using Reg = Lanes<float>;
  using Ints = Lanes<std::int32_t>;

  template <class R, class F>
  static R each(F value) {
    R result;
    for (int i = 0; i < kLanes; ++i) result.lane[i] = value(i);
    return result;
  }

  static Reg zero() { return {}; }
  static Ints zero_ints() { return {}; }
  static Reg load(const float* p) {
    Reg result;
    std::memcpy(&result, p, sizeof(result));  // the bits of any type of word
    return result;
  }
  static Reg load_first(const float* p, int count) {
    return each<Reg>([&](int i) { return i < count ? p[i] : 0.0F; });
  }
  static Reg broadcast(const float* p) {
    Reg result;
    for (float& lane : result.lane) std::memcpy(&lane, p, sizeof(lane));
    return result;
  }
  static void store(float* p, const Reg& a) { std::memcpy(p, &a, sizeof(a)); }

  static Reg add(const Reg& a, const Reg& b) {
    return each<Reg>([&](int i) { return a.lane[i] + b.lane[i]; });
  }
  static Reg subtract(const Reg& a, const Reg& b) {
    return each<Reg>([&](int i) { return a.lane[i] - b.lane[i]; });
  }
  static Reg multiply(const Reg& a, const Reg& b) {
    return each<Reg>([&](int i) { return a.lane[i] * b.lane[i]; });
  }
  static Reg multiply_add(const Reg& a, const Reg& b, const Reg& sum) {
    return each<Reg>([&](int i) { return std::fma(a.lane[i], b.lane[i], sum.lane[i]); });
  }
  static Reg where_positive(const Reg& a, const Reg& b) {
    return each<Reg>([&](int i) { return a.lane[i] > 0 ? b.lane[i] : 0; });
  }
  static Reg relu(const Reg& a) {
    return each<Reg>([&](int i) { return a.lane[i] < 0 ? 0 : a.lane[i]; });
  }
  static Reg max(const Reg& a, const Reg& b) {
    return each<Reg>([&](int i) { return a.lane[i] < b.lane[i] ? b.lane[i] : a.lane[i]; });
  }
  static Reg divide(const Reg& a, const Reg& b) {
    return each<Reg>([&](int i) { return a.lane[i] / b.lane[i]; });
  }
  static Reg round(const Reg& a) {
    return each<Reg>([&](int i) { return std::nearbyint(a.lane[i]); });
  }
  static Reg times_power(const Reg& a, const Reg& n) {
    return each<Reg>([&](int i) { return std::ldexp(a.lane[i], static_cast<int>(n.lane[i])); });
  }
  static Reg to_float(const Ints& a) {
    return each<Reg>([&](int i) { return static_cast<float>(a.lane[i]); });
  }

  static Reg load(const std::uint8_t* p) {
    return each<Reg>([&](int i) { return static_cast<float>(p[i]); });
  }
  static void store(std::uint8_t* p, const Reg& a) { std::transform(a.lane, a.lane + kLanes, p, to_u8); }
  static void store_block(std::uint8_t* p, const Reg& a, const Reg& b) {
    store(p, a);
    store(p + kLanes, b);
  }
  static Reg load(const std::uint16_t* p) {
    return each<Reg>([&](int i) { return bfloat16_to_float(p[i]); });
  }
  static void store(std::uint16_t* p, const Reg& a) { std::transform(a.lane, a.lane + kLanes, p, float_to_bfloat16); }

  template <class T>
  static T part(const Reg& a, int i, int k) {
    T result;
    std::memcpy(&result, reinterpret_cast<const char*>(&a.lane[i]) + k * sizeof(T), sizeof(T));
    return result;
  }
  static Ints dot_bytes(const Reg& a, const Reg& b, const Ints& sum) {
    return each<Ints>([&](int i) {
      std::int32_t total = sum.lane[i];
      for (int k = 0; k < 4; ++k) total += part<std::uint8_t>(a, i, k) * part<std::int8_t>(b, i, k);
      return total;
    });
  }
  // Sums of 16 bits, which must not be left.
  static Ints dot_short(const Reg* a, const Reg* b, const Ints& sum) {
    return each<Ints>([&](int i) {
      std::int32_t total = sum.lane[i];
      for (const int k : {0, 2}) {
        std::int32_t half = 0;
        for (int w = 0; w < 2; ++w) {
          for (const int at : {k, k + 1}) half += part<std::uint8_t>(a[w], i, at) * part<std::int8_t>(b[w], i, at);
        }
        if (half != static_cast<std::int16_t>(half)) std::abort();
        total += half;
      }
      return total;
    });
  }
  template <class R>
  static void keep(const R& a) {
    asm volatile("" : : "m"(a));
  }
  static Reg dot_bf16(const Reg& a, const Reg& b, const Reg& sum) {
    return each<Reg>([&](int i) {
      float total = sum.lane[i];
      for (const int k : {1, 0}) {
        total += bfloat16_to_float(part<std::uint16_t>(a, i, k)) * bfloat16_to_float(part<std::uint16_t>(b, i, k));
      }
      return total;
    });
  }
};

using Emulated = EmulatedVector<16, 5, 2>;
using Wide = EmulatedVector<16, 3, 3>;
using Half = EmulatedVector<8, 3, 4>;
using Quarter = EmulatedVector<4, 3, 8>;

constexpr ConvAlgorithm kConvs[] = {
    winograd_conv<F32Product<Emulated>, 4>("emulated winograd 4x4"),
    winograd_conv<F32Product<Emulated>, 3, 4>("emulated winograd 3x3 of phases"),
    winograd_conv<F32Product<Emulated>, 2>("emulated winograd 2x2"),
    strassen_conv<F32Product<Emulated>>("emulated strassen"),
    row_conv<F32Product<Emulated>>("emulated direct rows"),
    direct_conv<F32Product<Emulated>>("emulated direct"),
    row_conv<ByteProduct<Emulated>>("emulated int8 direct rows"),
    direct_conv<ByteProduct<Emulated>>("emulated int8 direct"),
    row_conv<ShortProduct<Emulated>>("emulated int8 direct short rows"),
    direct_conv<ShortProduct<Emulated>>("emulated int8 direct short"),
    winograd_conv<Bf16Product<Emulated>, 2>("emulated bf16 winograd 2x2"),
    row_conv<Bf16Product<Emulated>>("emulated bf16 direct rows"),
    direct_conv<Bf16Product<Emulated>>("emulated bf16 direct"),
    winograd_conv<F32Product<Wide>, 2>("emulated winograd 2x2 with 3x16 columns"),
    strassen_conv<F32Product<Wide>>("emulated strassen with 3x16 columns"),
    row_conv<F32Product<Wide>>("emulated direct rows with 3x16 columns"),
    direct_conv<F32Product<Wide>>("emulated direct with 3x16 columns"),
    direct_conv<ByteProduct<Wide>>("emulated int8 direct with 3x16 columns"),
    winograd_conv<F32Product<Half>, 2>("emulated winograd 2x2 with 4x8 columns"),
    strassen_conv<F32Product<Half>>("emulated strassen with 4x8 columns"),
    direct_conv<F32Product<Half>>("emulated direct with 4x8 columns"),
    row_conv<ByteProduct<Half>>("emulated int8 direct rows with 4x8 columns"),
    row_conv<F32Product<Quarter>>("emulated direct rows with 8x4 columns"),
    direct_conv<F32Product<Quarter>>("emulated direct with 8x4 columns"),
    direct_conv<ShortProduct<Quarter>>("emulated int8 direct short with 8x4 columns"),
};

}  // namespace

std::span<const ConvAlgorithm> emulated_convs() { return kConvs; }

std::span<const TrainingKernels> emulated_training_kernels() {
  static constexpr TrainingKernels kTables[] = {training_table<Emulated>(Isa::kRef), training_table<Half>(Isa::kRef),
                                                training_table<Quarter>(Isa::kRef)};
  return kTables;
}

}  // namespace resnet
