// A vector of 8 floats on AVX2 with FMA. See vector_avx512.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace resnet {
namespace {

struct Avx2 {
  using Reg = __m256;
  using Ints = __m256i;
  static constexpr int kLanes = 8;

  // 12 sums, 2 of weights and 1 for a broadcast of 16 registers.
  static constexpr int kTilePixels = 6;
  static constexpr int kTileVectors = 2;

  // Of a tile's weights that stay in the second-level cache beside twice as many bytes of panels (conv_rows.h).
  static constexpr int kCacheBytes = 200 * 1024;

  // Of a value, in or out, in multiply-adds of a lane (docs/engine.md).
  static constexpr double kTransformCost = 24;

  static Reg zero() { return _mm256_setzero_ps(); }
  static Reg load(const float* p) { return _mm256_loadu_ps(p); }
  static void store(float* p, Reg a) { _mm256_storeu_ps(p, a); }
  static Reg broadcast(const float* p) { return _mm256_broadcast_ss(p); }

  // The first `count` lanes, any count; the others are zero and their memory is not read.
  static Reg load_first(const float* p, int count) {
    const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_maskload_ps(p, _mm256_cmpgt_epi32(_mm256_set1_epi32(count), lanes));
  }

  static Reg add(Reg a, Reg b) { return _mm256_add_ps(a, b); }
  static Reg subtract(Reg a, Reg b) { return _mm256_sub_ps(a, b); }
  static Reg multiply(Reg a, Reg b) { return _mm256_mul_ps(a, b); }
  static Reg divide(Reg a, Reg b) { return _mm256_div_ps(a, b); }
  static Reg multiply_add(Reg a, Reg b, Reg sum) { return _mm256_fmadd_ps(a, b, sum); }

  // To the nearest whole number, ties to even.
  static Reg round(Reg a) { return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }

  // a times 2 to the power of n, whole numbers from -126 to 127.
  static Reg times_power(Reg a, Reg n) {
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
  }

  // Whole numbers of 32 bits.
  static Ints zero_ints() { return _mm256_setzero_si256(); }
  static Ints load_ints(const std::uint8_t* p) { return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p)); }
  static Ints add_ints(Ints a, Ints b) { return _mm256_add_epi32(a, b); }
  static Reg to_float(Ints a) { return _mm256_cvtepi32_ps(a); }

  // Each word of a and b holds two s16: sum + a0 * b0 + a1 * b1. The sum is said to stay in its register: the compiler
  // would move it about, and a tile's sums would not fit.
  static Ints dot_words(Reg a, Reg b, Ints sum) {
    const Ints products = _mm256_madd_epi16(_mm256_castps_si256(a), _mm256_castps_si256(b));
    asm("vpaddd %1, %0, %0" : "+x"(sum) : "x"(products));
    return sum;
  }

  // Each word of a[0] and a[1] holds four u8, of b[0] and b[1] four s8: sum + the eight products, if no sum of the
  // first two of both words, nor of the last two, leaves 16 bits.
  static Ints dot_short(const Reg* a, const Reg* b, Ints sum) {
    const __m256i first = _mm256_maddubs_epi16(_mm256_castps_si256(a[0]), _mm256_castps_si256(b[0]));
    const __m256i second = _mm256_maddubs_epi16(_mm256_castps_si256(a[1]), _mm256_castps_si256(b[1]));
    const __m256i products = _mm256_madd_epi16(_mm256_add_epi16(first, second), _mm256_set1_epi16(1));
    asm("vpaddd %1, %0, %0" : "+x"(sum) : "x"(products));
    return sum;
  }

  // The compiler has to compute it.
  static void keep(Ints a) { asm volatile("" : : "x"(a)); }

  // Quantized values as floats, and back as to_u8() rounds.
  static Reg load(const std::uint8_t* p) { return to_float(load_ints(p)); }
  static void store(std::uint8_t* p, Reg a) {
    const __m256i whole = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(a, zero()), _mm256_set1_ps(255)));
    const __m128i halves = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64((__m128i*)p, _mm_packus_epi16(halves, halves));
  }

  // Two vectors, a block of channels, rounded so. Packing cuts to 0 ... 255 itself, but for what no 32 bits hold: above
  // it is cut before, and below it becomes the least number, as NaN does.
  static void store_block(std::uint8_t* p, Reg a, Reg b) {
    const Reg most = _mm256_set1_ps(255);
    const __m256i low = _mm256_cvtps_epi32(_mm256_min_ps(most, a));
    const __m256i high = _mm256_cvtps_epi32(_mm256_min_ps(most, b));
    const __m256i halves = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xD8);
    const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(halves), _mm256_extracti128_si256(halves, 1));
    _mm_storeu_si128((__m128i*)p, bytes);
  }

  // bfloat16 as floats, and back as float_to_bfloat16() rounds.
  static Reg load(const std::uint16_t* p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p)), 16));
  }
  static void store(std::uint16_t* p, Reg a) {
    const __m256i bits = _mm256_castps_si256(a);
    const __m256i upper = _mm256_srli_epi32(bits, 16);
    const __m256i half = _mm256_add_epi32(_mm256_set1_epi32(0x7FFF), _mm256_and_si256(upper, _mm256_set1_epi32(1)));
    const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, half), 16);
    const __m256i quiet = _mm256_or_si256(upper, _mm256_set1_epi32(0x40));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(a, a, _CMP_UNORD_Q));
    const __m256i result = _mm256_blendv_epi8(rounded, quiet, nan);
    const __m128i halves = _mm_packus_epi32(_mm256_castsi256_si128(result), _mm256_extracti128_si256(result, 1));
    _mm_storeu_si128((__m128i*)p, halves);
  }

  // 16 u8 as s16.
  static void widen_block(const std::uint8_t* from, std::int16_t* to) {
    _mm256_storeu_si256((__m256i*)to, _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i*)from)));
  }

  // 16 quantized values as they are.
  struct Bytes {
    using Reg = __m128i;
    static constexpr int kLanes = 16;
    static Reg load(const std::uint8_t* p) { return _mm_loadu_si128((const __m128i*)p); }
    static void store(std::uint8_t* p, Reg a) { _mm_storeu_si128((__m128i*)p, a); }
    static Reg max(Reg a, Reg b) { return _mm_max_epu8(a, b); }
  };

  // A cache line of them.
  struct Line {
    struct Reg {
      __m256i low, high;
    };
    static constexpr int kLanes = 64;
    static Reg load(const std::uint8_t* p) {
      return {_mm256_loadu_si256((const __m256i*)p), _mm256_loadu_si256((const __m256i*)(p + 32))};
    }
    static void store(std::uint8_t* p, const Reg& a) {
      _mm256_storeu_si256((__m256i*)p, a.low);
      _mm256_storeu_si256((__m256i*)(p + 32), a.high);
    }
    static Reg max(const Reg& a, const Reg& b) {
      return {_mm256_max_epu8(a.low, b.low), _mm256_max_epu8(a.high, b.high)};
    }
  };

  // b where a > 0, else zero.
  static Reg where_positive(Reg a, Reg b) { return _mm256_and_ps(_mm256_cmp_ps(a, zero(), _CMP_GT_OQ), b); }

  // NaN stays NaN in both.
  static Reg relu(Reg a) { return _mm256_max_ps(zero(), a); }
  static Reg max(Reg a, Reg b) {
    const __m256 b_wins = _mm256_or_ps(_mm256_cmp_ps(b, a, _CMP_GT_OQ), _mm256_cmp_ps(b, b, _CMP_UNORD_Q));
    return _mm256_blendv_ps(a, b, b_wins);
  }
};

// For products whose words are multiplied two at a time: 8 sums, 4 of weights, 2 for broadcasts, 1 of ones.
struct Avx2Short : Avx2 {
  static constexpr int kTilePixels = 4;
};

}  // namespace
}  // namespace resnet
