// A vector of 16 floats on AVX-512: what the algorithms of this folder are written over.
// The names are those of every vector type here; they have internal linkage, so that each translation unit has its own.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace resnet {
namespace {

struct Avx512 {
  using Reg = __m512;
  using Ints = __m512i;
  static constexpr int kLanes = 16;

  // The tile of a matrix product that fills the 32 registers: 28 sums, 2 of weights, 1 for a broadcast.
  static constexpr int kTilePixels = 14;
  static constexpr int kTileVectors = 2;

  static constexpr int kCacheBytes = 300 * 1024;  // see vector_avx2.h
  static constexpr double kTransformCost = 10;

  static Reg zero() { return _mm512_setzero_ps(); }
  static Reg load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, Reg a) { _mm512_storeu_ps(p, a); }
  static Reg broadcast(const float* p) { return _mm512_set1_ps(*p); }

  // The first `count` lanes, any count; the others are zero and their memory is not read.
  static Reg load_first(const float* p, int count) {
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    return _mm512_maskz_loadu_ps(_mm512_cmpgt_epi32_mask(_mm512_set1_epi32(count), lanes), p);
  }

  static Reg add(Reg a, Reg b) { return _mm512_add_ps(a, b); }
  static Reg subtract(Reg a, Reg b) { return _mm512_sub_ps(a, b); }
  static Reg multiply(Reg a, Reg b) { return _mm512_mul_ps(a, b); }
  static Reg divide(Reg a, Reg b) { return _mm512_div_ps(a, b); }
  static Reg multiply_add(Reg a, Reg b, Reg sum) { return _mm512_fmadd_ps(a, b, sum); }

  // To the nearest whole number, ties to even.
  static Reg round(Reg a) {
    return _mm512_maskz_roundscale_ps(0xFFFF, a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }

  // a times 2 to the power of n, whole numbers from -126 to 127.
  static Reg times_power(Reg a, Reg n) { return _mm512_maskz_scalef_ps(0xFFFF, a, n); }

  // Whole numbers of 32 bits.
  static Ints zero_ints() { return _mm512_setzero_si512(); }
  static Ints load_ints(const std::uint8_t* p) {
    return _mm512_maskz_cvtepu8_epi32(0xFFFF, _mm_loadu_si128((const __m128i*)p));
  }
  static Ints add_ints(Ints a, Ints b) { return _mm512_add_epi32(a, b); }
  static Reg to_float(Ints a) { return _mm512_maskz_cvtepi32_ps(0xFFFF, a); }

  // Each word of a and b holds two s16: sum + a0 * b0 + a1 * b1. As in vector_avx2.h, the sum stays in its register.
  static Ints dot_words(Reg a, Reg b, Ints sum) {
    const Ints products = _mm512_madd_epi16(_mm512_castps_si512(a), _mm512_castps_si512(b));
    asm("vpaddd %1, %0, %0" : "+v"(sum) : "v"(products));
    return sum;
  }

  // As in vector_avx2.h.
  static Ints dot_short(const Reg* a, const Reg* b, Ints sum) {
    const __m512i first = _mm512_maddubs_epi16(_mm512_castps_si512(a[0]), _mm512_castps_si512(b[0]));
    const __m512i second = _mm512_maddubs_epi16(_mm512_castps_si512(a[1]), _mm512_castps_si512(b[1]));
    const __m512i products = _mm512_madd_epi16(_mm512_add_epi16(first, second), _mm512_set1_epi16(1));
    asm("vpaddd %1, %0, %0" : "+v"(sum) : "v"(products));
    return sum;
  }

  // The compiler has to compute it.
  static void keep(Ints a) { asm volatile("" : : "v"(a)); }
  static void keep(Reg a) { asm volatile("" : : "v"(a)); }

  // Quantized values as floats, and back as to_u8() rounds.
  static Reg load(const std::uint8_t* p) { return to_float(load_ints(p)); }
  static void store(std::uint8_t* p, Reg a) {
    // What no 32 bits hold becomes 0x80000000, which is cut to 255 with all that lies above.
    const __m512i whole = _mm512_maskz_cvtps_epi32(0xFFFF, _mm512_maskz_max_ps(0xFFFF, a, zero()));
    _mm_storeu_si128((__m128i*)p, _mm512_maskz_cvtusepi32_epi8(0xFFFF, whole));
  }

  // bfloat16 as floats, and back as float_to_bfloat16() rounds.
  static Reg load(const std::uint16_t* p) {
    const __m512i words = _mm512_maskz_cvtepu16_epi32(0xFFFF, _mm256_loadu_si256((const __m256i*)p));
    return _mm512_castsi512_ps(_mm512_maskz_slli_epi32(0xFFFF, words, 16));
  }
  static void store(std::uint16_t* p, Reg a) {
    const __m512i bits = _mm512_castps_si512(a);
    const __m512i upper = _mm512_maskz_srli_epi32(0xFFFF, bits, 16);
    const __m512i half = _mm512_add_epi32(_mm512_set1_epi32(0x7FFF), _mm512_and_si512(upper, _mm512_set1_epi32(1)));
    const __m512i rounded = _mm512_maskz_srli_epi32(0xFFFF, _mm512_add_epi32(bits, half), 16);
    const __m512i quiet = _mm512_or_si512(upper, _mm512_set1_epi32(0x40));
    const __m512i result = _mm512_mask_mov_epi32(rounded, _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), quiet);
    _mm256_storeu_si256((__m256i*)p, _mm512_maskz_cvtepi32_epi16(0xFFFF, result));
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
    using Reg = __m512i;
    static constexpr int kLanes = 64;
    static Reg load(const std::uint8_t* p) { return _mm512_loadu_si512(p); }
    static void store(std::uint8_t* p, Reg a) { _mm512_storeu_si512(p, a); }
    static Reg max(Reg a, Reg b) { return _mm512_maskz_max_epu8(~__mmask64{}, a, b); }
  };

  // b where a > 0, else zero.
  static Reg where_positive(Reg a, Reg b) { return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, zero(), _CMP_GT_OQ), b); }

  // NaN stays NaN in both. (A mask of all lanes costs nothing and spares gcc 12 a false warning, its bug 105593.)
  static Reg relu(Reg a) { return _mm512_maskz_max_ps(0xFFFF, zero(), a); }
  static Reg max(Reg a, Reg b) {
    const Reg larger = _mm512_maskz_max_ps(0xFFFF, a, b);  // b where either is NaN
    return _mm512_mask_mov_ps(larger, _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q), a);
  }
};

// For products whose words are multiplied two at a time: 24 sums, 4 of weights, 2 for broadcasts, 1 of ones.
struct Avx512Short : Avx512 {
  static constexpr int kTilePixels = 12;
};

}  // namespace
}  // namespace resnet
