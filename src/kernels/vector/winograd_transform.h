// The transforms of Winograd's minimal filtering F(m x m, r x r) (Lavin and Gray 2015, arXiv:1509.09308), written once
// for every m, r and vector type.
//
// A tile of t x t inputs, t = m + r - 1, gives m x m outputs: Y = A^T [(G g G^T) * (B^T d B)] A, where * multiplies
// t x t values one by one, t * t products instead of r * r * m * m. The matrices are Toom and Cook's: the product of
// polynomials, evaluated at t points and interpolated. The points here are 0, pairs +p and -p, and infinity. With P(x)
// the product of (x - p)(x + p) over all pairs and R the same without the pair at hand,
//
//   B^T   at 0: P(x); at +-p: x (x +- p) R(x); at infinity: x P(x); the coefficients of x^i multiply d[i]
//   G     at 0: g[0] / P(0); at +-p: (g[0] +- p g[1] + p^2 g[2] ...) / (2 p^2 R(p)); at infinity: the last of g
//   A^T   y[i]: the sum over points of x^i times their product; infinity counts in the last one only
//
// P and R are polynomials in x^2, so a pair shares one even and one odd part.
#pragma once

namespace resnet {
namespace {

// One p of each pair, for tiles of t x t. Chosen for small errors in float32 among many tried (docs/engine.md).
template <int kSize>
struct WinogradPoints;
template <>
struct WinogradPoints<4> {
  static constexpr double kPairs[] = {1};
};
template <>
struct WinogradPoints<6> {
  static constexpr double kPairs[] = {0.75, 1.5};
};

// What the transforms multiply by, in float32.
template <int kOutputs, int kTaps>
struct WinogradMatrices {
  static constexpr int kSize = kOutputs + kTaps - 1;
  static constexpr int kPairs = kSize / 2 - 1;
  float all[kPairs + 1];       // coefficients of P in powers of x^2; the last is 1
  float rest[kPairs][kPairs];  // of R; the last is 1
  float plus[kPairs], minus[kPairs];
  float weight_zero;              // G at 0
  float weight[kPairs][kTaps];    // G's factors of g at +p
  float power[kPairs][kOutputs];  // p^i

  constexpr WinogradMatrices() : WinogradMatrices(WinogradPoints<kSize>::kPairs) {}

 private:
  // Coefficients in powers of y of the product of (y - p^2) over all pairs but `without`.
  static constexpr void expand(const double (&pairs)[kPairs], int without, double (&coefficients)[kPairs + 1]) {
    for (double& c : coefficients) c = 0;
    coefficients[0] = 1;
    for (int k = 0; k < kPairs; ++k) {
      if (k == without) continue;
      for (int j = kPairs; j >= 0; --j) {
        coefficients[j] = (j > 0 ? coefficients[j - 1] : 0) - pairs[k] * pairs[k] * coefficients[j];
      }
    }
  }

  constexpr explicit WinogradMatrices(const double (&pairs)[kPairs]) : WinogradMatrices(pairs, {}) {}
  struct Zero {};
  constexpr WinogradMatrices(const double (&pairs)[kPairs], Zero)
      : all{}, rest{}, plus{}, minus{}, weight_zero{}, weight{}, power{} {
    double coefficients[kPairs + 1] = {};
    expand(pairs, -1, coefficients);
    for (int j = 0; j <= kPairs; ++j) all[j] = static_cast<float>(coefficients[j]);
    weight_zero = static_cast<float>(1 / coefficients[0]);
    for (int k = 0; k < kPairs; ++k) {
      const double p = pairs[k];
      expand(pairs, k, coefficients);
      double at_p = 0;
      for (int j = kPairs - 1; j >= 0; --j) {
        rest[k][j] = static_cast<float>(coefficients[j]);
        at_p = at_p * p * p + coefficients[j];
      }
      const double scale = 1 / (2 * p * p * at_p);
      plus[k] = static_cast<float>(p);
      minus[k] = static_cast<float>(-p);
      double value = 1;
      for (int i = 0; i < kOutputs; ++i, value *= p) power[k][i] = static_cast<float>(value);
      value = scale;
      for (int i = 0; i < kTaps; ++i, value *= p) weight[k][i] = static_cast<float>(value);
    }
  }
};

// The transforms of vectors: each lane is a channel. `load(i)` and `store(i, value)` reach the values of a tile, row by
// row.
template <class V, int kOutputs, int kTaps>
struct WinogradTransform {
  using Reg = typename V::Reg;
  static constexpr WinogradMatrices<kOutputs, kTaps> kMatrices{};
  static constexpr int kSize = kMatrices.kSize;  // t
  static constexpr int kPairs = kMatrices.kPairs;

  // B^T d B.
  template <class Load, class Store>
  [[gnu::always_inline]] static void input(Load load, Store store) {
    Reg half[kSize][kSize];
#pragma GCC unroll 8
    for (int x = 0; x < kSize; ++x) {
      Reg column[kSize], result[kSize];
#pragma GCC unroll 8
      for (int y = 0; y < kSize; ++y) column[y] = load(y * kSize + x);
      input_vector(column, result);
#pragma GCC unroll 8
      for (int i = 0; i < kSize; ++i) half[i][x] = result[i];
    }
#pragma GCC unroll 8
    for (int i = 0; i < kSize; ++i) {
      Reg result[kSize];
      input_vector(half[i], result);
#pragma GCC unroll 8
      for (int j = 0; j < kSize; ++j) store(i * kSize + j, result[j]);
    }
  }

  // G g G^T.
  template <class Load, class Store>
  [[gnu::always_inline]] static void weight(Load load, Store store) {
    Reg half[kSize][kTaps];
#pragma GCC unroll 4
    for (int x = 0; x < kTaps; ++x) {
      Reg column[kTaps], result[kSize];
#pragma GCC unroll 4
      for (int y = 0; y < kTaps; ++y) column[y] = load(y * kTaps + x);
      weight_vector(column, result);
#pragma GCC unroll 8
      for (int i = 0; i < kSize; ++i) half[i][x] = result[i];
    }
#pragma GCC unroll 8
    for (int i = 0; i < kSize; ++i) {
      Reg result[kSize];
      weight_vector(half[i], result);
#pragma GCC unroll 8
      for (int j = 0; j < kSize; ++j) store(i * kSize + j, result[j]);
    }
  }

  // A^T m A; `store` gets kOutputs x kOutputs values.
  template <class Load, class Store>
  [[gnu::always_inline]] static void output(Load load, Store store) {
    Reg half[kOutputs][kSize];
#pragma GCC unroll 8
    for (int x = 0; x < kSize; ++x) {
      Reg column[kSize], result[kOutputs];
#pragma GCC unroll 8
      for (int y = 0; y < kSize; ++y) column[y] = load(y * kSize + x);
      output_vector(column, result);
#pragma GCC unroll 8
      for (int i = 0; i < kOutputs; ++i) half[i][x] = result[i];
    }
#pragma GCC unroll 8
    for (int i = 0; i < kOutputs; ++i) {
      Reg result[kOutputs];
      output_vector(half[i], result);
#pragma GCC unroll 8
      for (int j = 0; j < kOutputs; ++j) store(i * kOutputs + j, result[j]);
    }
  }

 private:
  // B^T d.
  [[gnu::always_inline]] static void input_vector(const Reg (&d)[kSize], Reg (&result)[kSize]) {
    Reg zero = d[2 * kPairs], infinity = d[2 * kPairs + 1];
#pragma GCC unroll 3
    for (int j = 0; j < kPairs; ++j) {
      const Reg factor = V::broadcast(&kMatrices.all[j]);
      zero = V::multiply_add(factor, d[2 * j], zero);
      infinity = V::multiply_add(factor, d[2 * j + 1], infinity);
    }
    result[0] = zero;
    result[kSize - 1] = infinity;
#pragma GCC unroll 3
    for (int k = 0; k < kPairs; ++k) {
      Reg odd = d[2 * kPairs - 1], even = d[2 * kPairs];
#pragma GCC unroll 3
      for (int j = 0; j < kPairs - 1; ++j) {
        const Reg factor = V::broadcast(&kMatrices.rest[k][j]);
        odd = V::multiply_add(factor, d[2 * j + 1], odd);
        even = V::multiply_add(factor, d[2 * j + 2], even);
      }
      result[2 * k + 1] = V::multiply_add(V::broadcast(&kMatrices.plus[k]), odd, even);
      result[2 * k + 2] = V::multiply_add(V::broadcast(&kMatrices.minus[k]), odd, even);
    }
  }

  // G g.
  [[gnu::always_inline]] static void weight_vector(const Reg (&g)[kTaps], Reg (&result)[kSize]) {
    result[0] = V::multiply(V::broadcast(&kMatrices.weight_zero), g[0]);
    result[kSize - 1] = g[kTaps - 1];
#pragma GCC unroll 3
    for (int k = 0; k < kPairs; ++k) {
      Reg even = V::multiply(V::broadcast(&kMatrices.weight[k][0]), g[0]);
      Reg odd = V::multiply(V::broadcast(&kMatrices.weight[k][1]), g[1]);
#pragma GCC unroll 4
      for (int i = 2; i < kTaps; ++i) {
        Reg& sum = i % 2 == 0 ? even : odd;
        sum = V::multiply_add(V::broadcast(&kMatrices.weight[k][i]), g[i], sum);
      }
      result[2 * k + 1] = V::add(even, odd);
      result[2 * k + 2] = V::subtract(even, odd);
    }
  }

  // A^T m.
  [[gnu::always_inline]] static void output_vector(const Reg (&m)[kSize], Reg (&result)[kOutputs]) {
    Reg even[kPairs], odd[kPairs];
#pragma GCC unroll 3
    for (int k = 0; k < kPairs; ++k) {
      even[k] = V::add(m[2 * k + 1], m[2 * k + 2]);
      odd[k] = V::subtract(m[2 * k + 1], m[2 * k + 2]);
    }
#pragma GCC unroll 8
    for (int i = 0; i < kOutputs; ++i) {
      Reg sum = i == 0 ? m[0] : i == kOutputs - 1 ? m[kSize - 1] : V::zero();
#pragma GCC unroll 3
      for (int k = 0; k < kPairs; ++k) {
        const Reg term = i % 2 == 0 ? even[k] : odd[k];
        if (i == 0) {
          sum = V::add(sum, term);
        } else if (k == 0 && i < kOutputs - 1) {
          sum = V::multiply(V::broadcast(&kMatrices.power[k][i]), term);
        } else {
          sum = V::multiply_add(V::broadcast(&kMatrices.power[k][i]), term, sum);
        }
      }
      result[i] = sum;
    }
  }
};

}  // namespace
}  // namespace resnet
