// A vector of 16 floats on AVX-512: what the algorithms of this folder are written over.
// The names are those of every vector type here; they have internal linkage, so that each translation unit has its own.
#pragma once

#include <immintrin.h>

namespace resnet {
namespace {

struct Avx512 {
  using Reg = __m512;
  static constexpr int kLanes = 16;

  // The tile of a matrix product that fills the 32 registers: 28 sums, 2 of weights, 1 for a broadcast.
  static constexpr int kTilePixels = 14;
  static constexpr int kTileVectors = 2;

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
  static Reg multiply(Reg a, Reg b) { return _mm512_mul_ps(a, b); }
  static Reg divide(Reg a, Reg b) { return _mm512_div_ps(a, b); }
  static Reg multiply_add(Reg a, Reg b, Reg sum) { return _mm512_fmadd_ps(a, b, sum); }

  // NaN stays NaN in both. (A mask of all lanes costs nothing and spares gcc 12 a false warning, its bug 105593.)
  static Reg relu(Reg a) { return _mm512_maskz_max_ps(0xFFFF, zero(), a); }
  static Reg max(Reg a, Reg b) {
    const __mmask16 b_wins = _mm512_cmp_ps_mask(b, a, _CMP_GT_OQ) | _mm512_cmp_ps_mask(b, b, _CMP_UNORD_Q);
    return _mm512_mask_mov_ps(a, b_wins, b);
  }
};

}  // namespace
}  // namespace resnet
