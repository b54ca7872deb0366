// The resampling passes with AVX2. A 22-bit weight is split into 2048 * high + low so that the 16-bit multiply-add of
// pairs does the work; sums wrap as integers do, so the result is that of the portable code to the bit.
#include "image/resample.h"

#if RESNET_X64_KERNELS
#include <immintrin.h>

#include <cstring>

namespace resnet {
namespace {

#define RESNET_AVX2 __attribute__((target("avx2")))

constexpr int kLowBits = 11;
constexpr std::int32_t kHalf = 1 << (kWeightBits - 1);

RESNET_AVX2 __m256i load_halves(const std::int16_t* four) {
  long long bits;
  std::memcpy(&bits, four, sizeof bits);
  return _mm256_set1_epi64x(bits);
}

// Four pixels at a time: 32-bit lanes R01 R23 G01 G23 | B01 B23 - -, each the sum over a pair of neighbours.
RESNET_AVX2 void horizontal_rgb(const std::uint8_t* row, const Axis& columns, std::uint8_t* out) {
  const __m256i pairs = _mm256_setr_epi8(0, -1, 3, -1, 6, -1, 9, -1, 1, -1, 4, -1, 7, -1, 10, -1,  //
                                         2, -1, 5, -1, 8, -1, 11, -1, -1, -1, -1, -1, -1, -1, -1, -1);
  const int size = columns.size();
  const int* first = columns.first.data();
  const int* count = columns.count.data();
  const std::int16_t* halves = columns.halves.data();
  for (int x = 0; x < size; ++x, halves += 2 * static_cast<std::ptrdiff_t>(columns.stride), out += 3) {
    const std::uint8_t* in = row + static_cast<std::ptrdiff_t>(first[x]) * 3;
    __m256i high = _mm256_setzero_si256();
    __m256i low = _mm256_setzero_si256();
    for (int i = 0; i < count[x]; i += 4) {
      const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + static_cast<std::ptrdiff_t>(i) * 3));
      const __m256i pixels = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), pairs);
      const std::int16_t* group = halves + 2 * static_cast<std::ptrdiff_t>(i);
      high = _mm256_add_epi32(high, _mm256_madd_epi16(pixels, load_halves(group)));
      low = _mm256_add_epi32(low, _mm256_madd_epi16(pixels, load_halves(group + 4)));
    }
    __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, kLowBits), low);
    sum = _mm256_hadd_epi32(sum, sum);  // R G R G | B 0 B 0
    __m128i rgb = _mm_unpacklo_epi64(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    rgb = _mm_srai_epi32(_mm_add_epi32(rgb, _mm_set1_epi32(kHalf)), kWeightBits);
    rgb = _mm_packs_epi32(rgb, rgb);
    const int bits = _mm_cvtsi128_si32(_mm_packus_epi16(rgb, rgb));
    std::memcpy(out, &bits, 3);
  }
}

RESNET_AVX2 void horizontal(const std::uint8_t* row, const Axis& columns, int channels, std::uint8_t* out) {
  if (channels == 3) {
    horizontal_rgb(row, columns, out);
  } else {
    portable_resample_kernels().horizontal(row, columns, channels, out);
  }
}

RESNET_AVX2 __m256i finish(__m256i high, __m256i low) {
  const __m256i sum = _mm256_add_epi32(_mm256_slli_epi32(high, kLowBits), low);
  return _mm256_srai_epi32(_mm256_add_epi32(sum, _mm256_set1_epi32(kHalf)), kWeightBits);
}

RESNET_AVX2 __m256i load_pair(const std::int16_t* two) {
  int bits;
  std::memcpy(&bits, two, sizeof bits);
  return _mm256_set1_epi32(bits);
}

// 16 neighbouring values, two input rows at a time.
RESNET_AVX2 void vertical_block(const std::uint8_t* in, std::size_t stride, const std::int16_t* halves, int count,
                                std::uint8_t* out) {
  __m256i high[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  __m256i low[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
  for (int i = 0; i < count; i += 2, in += 2 * stride) {
    const __m128i a = _mm_loadu_si128(reinterpret_cast<const __m128i*>(in));
    const __m128i b = i + 1 < count ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(in + stride)) : a;
    const std::int16_t* group = halves + i / 4 * 8 + i % 4;
    const __m256i weights_high = load_pair(group);
    const __m256i weights_low = load_pair(group + 4);
    const __m256i pairs[2] = {_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(a, b)),
                              _mm256_cvtepu8_epi16(_mm_unpackhi_epi8(a, b))};
    for (int j = 0; j < 2; ++j) {
      high[j] = _mm256_add_epi32(high[j], _mm256_madd_epi16(pairs[j], weights_high));
      low[j] = _mm256_add_epi32(low[j], _mm256_madd_epi16(pairs[j], weights_low));
    }
  }
  __m256i words = _mm256_packs_epi32(finish(high[0], low[0]), finish(high[1], low[1]));
  words = _mm256_permute4x64_epi64(words, 0b11011000);
  const __m128i bytes = _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
}

RESNET_AVX2 void vertical(const std::uint8_t* first, std::size_t stride, const Axis& rows, int index, std::size_t bytes,
                          std::uint8_t* out) {
  constexpr std::size_t kBlock = 16;
  if (bytes < kBlock) return portable_resample_kernels().vertical(first, stride, rows, index, bytes, out);
  const std::int16_t* halves = rows.halves.data() + static_cast<std::ptrdiff_t>(index) * rows.stride * 2;
  const int count = rows.count[index];
  for (std::size_t x = 0; x < bytes; x += kBlock) {
    const std::size_t at = x + kBlock <= bytes ? x : bytes - kBlock;  // the last block overlaps the one before
    vertical_block(first + at, stride, halves, count, out + at);
  }
}

}  // namespace

const ResampleKernels& avx2_resample_kernels() noexcept {
  static constexpr ResampleKernels kKernels{horizontal, vertical};
  return kKernels;
}

}  // namespace resnet

#endif
