// AVX-512 with VNNI: products of bytes.
#pragma once

#include "engine/kernels/vector_avx512.h"

namespace resnet {
namespace {

struct Avx512Vnni : Avx512 {
  // Each word of a holds four u8, of b four s8: sum + a0 * b0 + ... + a3 * b3, exact.
  static Ints dot_bytes(Reg a, Reg b, Ints sum) {
    return _mm512_dpbusd_epi32(sum, _mm512_castps_si512(a), _mm512_castps_si512(b));
  }
};

}  // namespace
}  // namespace resnet
