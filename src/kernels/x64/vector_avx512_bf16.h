// AVX-512 with BF16: products of bfloat16.
#pragma once

#include "kernels/x64/vector_avx512.h"

namespace resnet {
namespace {

struct Avx512Bf16 : Avx512 {
  // Each word of a and b holds two bfloat16: sum + a1 * b1, then + a0 * b0, each rounded to float32; what is too small
  // for a normal float32 counts as zero.
  static Reg dot_bf16(Reg a, Reg b, Reg sum) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }

  // As float_to_bfloat16() rounds, but for what is too small for a normal float32.
  using Avx512::store;
  static void store(std::uint16_t* p, Reg a) { _mm256_storeu_si256((__m256i*)p, (__m256i)_mm512_cvtneps_pbh(a)); }
};

}  // namespace
}  // namespace resnet
