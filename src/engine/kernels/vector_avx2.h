// A vector of 8 floats on AVX2 with FMA. See vector_avx512.h.
#pragma once

#include <immintrin.h>

namespace resnet {
namespace {

struct Avx2 {
  using Reg = __m256;
  static constexpr int kLanes = 8;

  // 12 sums, 2 of weights and 1 for a broadcast of 16 registers.
  static constexpr int kTilePixels = 6;
  static constexpr int kTileVectors = 2;

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
  static Reg multiply(Reg a, Reg b) { return _mm256_mul_ps(a, b); }
  static Reg divide(Reg a, Reg b) { return _mm256_div_ps(a, b); }
  static Reg multiply_add(Reg a, Reg b, Reg sum) { return _mm256_fmadd_ps(a, b, sum); }

  // NaN stays NaN in both.
  static Reg relu(Reg a) { return _mm256_max_ps(zero(), a); }
  static Reg max(Reg a, Reg b) {
    const __m256 b_wins = _mm256_or_ps(_mm256_cmp_ps(b, a, _CMP_GT_OQ), _mm256_cmp_ps(b, b, _CMP_UNORD_Q));
    return _mm256_blendv_ps(a, b, b_wins);
  }
};

}  // namespace
}  // namespace resnet
