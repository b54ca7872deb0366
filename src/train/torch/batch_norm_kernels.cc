#include "train/torch/batch_norm_kernels.h"

#include <bit>

#define RESNET_INLINE inline __attribute__((always_inline))

namespace resnet::batch_norm {
namespace {

constexpr int kLanes = 16;          // channels worked on together: sums stay in registers
constexpr std::int64_t kTile = 64;  // rows whose sums are float32, and which stay in the nearest cache

RESNET_INLINE float load(const float* value) { return *value; }
RESNET_INLINE float load(const BFloat16* value) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(value->bits) << 16);
}
RESNET_INLINE void store(float* place, float value) { *place = value; }
RESNET_INLINE void store(BFloat16* place, float value) {  // to the nearest, ties to even; what is no number stays none
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
  place->bits = static_cast<std::uint16_t>(value == value ? rounded : (bits >> 16) | 0x40);
}

// Calls body(row, row_end, channel, lanes) for tiles of rows and groups of channels; `lanes` is a constant for all but
// a last odd group.
template <typename Body>
RESNET_INLINE void for_tiles(std::int64_t rows, std::int64_t channels, const Body& body) {
  for (std::int64_t row = 0; row < rows; row += kTile) {
    const std::int64_t row_end = row + kTile < rows ? row + kTile : rows;
    std::int64_t channel = 0;
    for (; channel + kLanes <= channels; channel += kLanes) body(row, row_end, channel, kLanes);
    if (channel < channels) body(row, row_end, channel, static_cast<int>(channels - channel));
  }
}

template <typename T>
RESNET_INLINE void moments_body(const T* x, std::int64_t rows, std::int64_t channels, const float* shift,
                                double* sums) {
  for_tiles(
      rows, channels,
      [&](std::int64_t row, std::int64_t row_end, std::int64_t channel, int lanes) __attribute__((always_inline)) {
        float sum[kLanes] = {};
        float square[kLanes] = {};
        for (; row < row_end; ++row) {
          const T* in = x + row * channels + channel;
          for (int i = 0; i < lanes; ++i) {
            const float value = load(in + i) - shift[channel + i];
            sum[i] += value;
            square[i] += value * value;
          }
        }
        for (int i = 0; i < lanes; ++i) {
          sums[channel + i] += sum[i];
          sums[channels + channel + i] += square[i];
        }
      });
}

template <bool kResidual, bool kRelu, typename T>
RESNET_INLINE void apply_body(const T* x, const T* residual, std::int64_t rows, std::int64_t channels,
                              const float* scale, const float* bias, T* y) {
  for_tiles(
      rows, channels,
      [&](std::int64_t row, std::int64_t row_end, std::int64_t channel, int lanes) __attribute__((always_inline)) {
        for (; row < row_end; ++row) {
          const std::int64_t at = row * channels + channel;
          for (int i = 0; i < lanes; ++i) {
            float value = scale[channel + i] * load(x + at + i) + bias[channel + i];
            if (kResidual) value += load(residual + at + i);
            if (kRelu) value = value < 0 ? 0 : value;  // what is no number stays none
            store(y + at + i, value);
          }
        }
      });
}

template <typename T>
RESNET_INLINE void apply_any(const T* x, const T* residual, std::int64_t rows, std::int64_t channels,
                             const float* scale, const float* bias, bool relu, T* y) {
  if (residual != nullptr && relu) return apply_body<true, true>(x, residual, rows, channels, scale, bias, y);
  if (residual != nullptr) return apply_body<true, false>(x, residual, rows, channels, scale, bias, y);
  if (relu) return apply_body<false, true>(x, residual, rows, channels, scale, bias, y);
  return apply_body<false, false>(x, residual, rows, channels, scale, bias, y);
}

template <Mask kMask, typename T>
RESNET_INLINE float masked_gradient(const T* dy, const T* x, const T* y, float scale, float bias) {
  const float g = load(dy);
  if (kMask == Mask::kFromInput) return scale * load(x) + bias > 0 ? g : 0;
  if (kMask == Mask::kFromOutput) return load(y) > 0 ? g : 0;
  return g;
}

template <Mask kMask, bool kWrite, typename T>
RESNET_INLINE void gradient_sums_body(const T* dy, const T* x, const T* y, std::int64_t rows, std::int64_t channels,
                                      const float* scale, const float* bias, const float* mean, T* masked,
                                      double* sums) {
  for_tiles(
      rows, channels,
      [&](std::int64_t row, std::int64_t row_end, std::int64_t channel, int lanes) __attribute__((always_inline)) {
        float sum[kLanes] = {};
        float product[kLanes] = {};
        for (; row < row_end; ++row) {
          const std::int64_t at = row * channels + channel;
          for (int i = 0; i < lanes; ++i) {
            const float g =
                masked_gradient<kMask>(dy + at + i, x + at + i, y + at + i, scale[channel + i], bias[channel + i]);
            if (kWrite) store(masked + at + i, g);
            sum[i] += g;
            product[i] += g * (load(x + at + i) - mean[channel + i]);
          }
        }
        for (int i = 0; i < lanes; ++i) {
          sums[channel + i] += sum[i];
          sums[channels + channel + i] += product[i];
        }
      });
}

template <typename T>
RESNET_INLINE void gradient_sums_any(const T* dy, const T* x, const T* y, std::int64_t rows, std::int64_t channels,
                                     const float* scale, const float* bias, const float* mean, Mask mask, T* masked,
                                     double* sums) {
  const auto run = [&]<Mask kMask>() __attribute__((always_inline)) {
    if (masked != nullptr) {
      gradient_sums_body<kMask, true>(dy, x, y, rows, channels, scale, bias, mean, masked, sums);
    } else {
      gradient_sums_body<kMask, false>(dy, x, y, rows, channels, scale, bias, mean, masked, sums);
    }
  };
  switch (mask) {
    case Mask::kNone: return run.template operator()<Mask::kNone>();
    case Mask::kFromInput: return run.template operator()<Mask::kFromInput>();
    case Mask::kFromOutput: return run.template operator()<Mask::kFromOutput>();
  }
}

template <Mask kMask, typename T>
RESNET_INLINE void apply_gradient_body(const T* dy, const T* x, std::int64_t rows, std::int64_t channels,
                                       const float* scale, const float* bias, const float* a, const float* b,
                                       const float* c, T* dx) {
  for_tiles(
      rows, channels,
      [&](std::int64_t row, std::int64_t row_end, std::int64_t channel, int lanes) __attribute__((always_inline)) {
        for (; row < row_end; ++row) {
          const std::int64_t at = row * channels + channel;
          for (int i = 0; i < lanes; ++i) {
            const std::int64_t k = channel + i;
            const float g = masked_gradient<kMask>(dy + at + i, x + at + i, x, scale[k], bias[k]);
            store(dx + at + i, a[k] * g + (b[k] * load(x + at + i) + c[k]));
          }
        }
      });
}

// The functions compiled for one instruction set, which `attribute` names to the compiler.
// NOLINTBEGIN(bugprone-macro-parentheses): an attribute
#define RESNET_KERNELS(set, attribute)                                                                          \
  template <typename T>                                                                                         \
  struct set {                                                                                                  \
    attribute static void add_moments(const T* x, std::int64_t rows, std::int64_t channels, const float* shift, \
                                      double* sums) {                                                           \
      moments_body(x, rows, channels, shift, sums);                                                             \
    }                                                                                                           \
    attribute static void apply(const T* x, const T* residual, std::int64_t rows, std::int64_t channels,        \
                                const float* scale, const float* bias, bool relu, T* y) {                       \
      apply_any(x, residual, rows, channels, scale, bias, relu, y);                                             \
    }                                                                                                           \
    attribute static void add_gradient_sums(const T* dy, const T* x, const T* y, std::int64_t rows,             \
                                            std::int64_t channels, const float* scale, const float* bias,       \
                                            const float* mean, Mask mask, T* masked, double* sums) {            \
      gradient_sums_any(dy, x, y, rows, channels, scale, bias, mean, mask, masked, sums);                       \
    }                                                                                                           \
    attribute static void apply_gradient(const T* dy, const T* x, std::int64_t rows, std::int64_t channels,     \
                                         const float* scale, const float* bias, Mask mask, const float* a,      \
                                         const float* b, const float* c, T* dx) {                               \
      if (mask == Mask::kFromInput) {                                                                           \
        apply_gradient_body<Mask::kFromInput>(dy, x, rows, channels, scale, bias, a, b, c, dx);                 \
      } else {                                                                                                  \
        apply_gradient_body<Mask::kNone>(dy, x, rows, channels, scale, bias, a, b, c, dx);                      \
      }                                                                                                         \
    }                                                                                                           \
    static constexpr Kernels<T> kTable = {add_moments, apply, add_gradient_sums, apply_gradient};               \
  };
// NOLINTEND(bugprone-macro-parentheses)

RESNET_KERNELS(Generic, )
#if RESNET_X64_KERNELS
RESNET_KERNELS(Avx2, __attribute__((target("avx2,fma"))))
RESNET_KERNELS(Avx512, __attribute__((target("avx2,fma,avx512f,avx512vl,avx512bw,avx512dq"))))
#endif

}  // namespace

template <typename T>
const Kernels<T>& kernels_for(Isa isa) noexcept {
#if RESNET_X64_KERNELS
  if (isa == Isa::kAvx2) return Avx2<T>::kTable;
  if (isa != Isa::kRef) return Avx512<T>::kTable;
#else
  static_cast<void>(isa);
#endif
  return Generic<T>::kTable;
}

template const Kernels<float>& kernels_for<float>(Isa isa) noexcept;
template const Kernels<BFloat16>& kernels_for<BFloat16>(Isa isa) noexcept;

}  // namespace resnet::batch_norm
