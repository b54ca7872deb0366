// AVX-512 with VNNI: products of bytes.
#pragma once

#include "kernels/x64/vector_avx512.h"

namespace resnet {
namespace {

struct Avx512Vnni : Avx512 {
  // Each word of a holds four u8, of b four s8: sum + a0 * b0 + ... + a3 * b3, exact. Not _mm512_dpbusd_epi32, around
  // which the compiler moves a tile's sums until they do not fit the registers.
  static Ints dot_bytes(Reg a, Reg b, Ints sum) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
  }
};

}  // namespace
}  // namespace resnet
