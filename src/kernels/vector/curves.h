// Activations other than ReLU, over vectors of float32. Convolutions apply them to a tile's outputs that were stored a
// moment before and are still in the first-level cache, so that products and ReLU know nothing of them.
#pragma once

#include <cstdint>

#include "kernels/conv_geometry.h"
#include "kernels/kernels.h"

namespace resnet {
namespace {

template <class V>
struct Curves {
  using Reg = typename V::Reg;

  static Reg number(float value) { return V::broadcast(&value); }
  static Reg negative(Reg a) { return V::subtract(V::zero(), a); }
  static Reg least(Reg a, Reg b) { return negative(V::max(negative(a), negative(b))); }

  // e^x as 2^n e^r with |r| <= ln 2 / 2, of which Taylor's series up to r^7 leaves 5e-9. ln 2 is taken off in two
  // parts, so that n times the first is exact. Arguments whose results float32 has no normal number for are cut.
  static Reg exponential(Reg x) {
    constexpr float kFactors[] = {1.0F / 5040, 1.0F / 720, 1.0F / 120, 1.0F / 24, 1.0F / 6, 1.0F / 2, 1, 1};
    x = V::max(least(x, number(88.0F)), number(-87.0F));
    const Reg n = V::round(V::multiply(x, number(1.44269504F)));
    Reg r = V::multiply_add(n, number(-0.693359375F), x);
    r = V::multiply_add(n, number(2.12194440e-4F), r);
    Reg sum = number(kFactors[0]);
    for (int i = 1; i < 8; ++i) sum = V::multiply_add(sum, r, number(kFactors[i]));
    return V::times_power(sum, n);
  }

  static Reg leaky_relu(Reg x, Reg slope) { return V::subtract(V::relu(x), V::multiply(slope, V::relu(negative(x)))); }

  static Reg relu6(Reg x) { return least(V::relu(x), number(6)); }

  static Reg silu(Reg x) { return V::divide(x, V::add(number(1), exponential(negative(x)))); }

  // The normal distribution's integral up to -size, of which `density` is e^(-size^2 / 2), by Abramowitz and Stegun's
  // 7.1.26, which errs by 7.5e-8.
  static Reg normal_below(Reg size, Reg density) {
    constexpr float kFactors[] = {0.5F * 1.061405429F, 0.5F * -1.453152027F, 0.5F * 1.421413741F, 0.5F * -0.284496736F,
                                  0.5F * 0.254829592F};
    const Reg t = V::divide(number(1), V::multiply_add(size, number(0.3275911F * 0.707106781F), number(1)));
    Reg sum = number(kFactors[0]);
    for (int i = 1; i < 5; ++i) sum = V::multiply_add(sum, t, number(kFactors[i]));
    return V::multiply(V::multiply(sum, t), density);
  }

  // x times the normal distribution's integral.
  static Reg gelu(Reg x) {
    const Reg size = V::add(V::relu(x), V::relu(negative(x)));
    const Reg density = exponential(V::multiply(V::multiply(x, x), number(-0.5F)));
    return V::subtract(V::relu(x),
                       V::multiply(size, normal_below(size, density)));  // x - x below, or where x < 0 x below
  }

  static Reg hardswish(Reg x) { return V::multiply(x, V::multiply(relu6(V::add(x, number(3))), number(1.0F / 6))); }
};

// `count` values, whole vectors, at the beginning of each of `rows` rows that begin `pitch` values apart.
template <class V>
[[gnu::noinline]] void apply_curve(Curve curve, float negative_slope, float* values, std::int64_t rows,
                                   std::int64_t count, std::int64_t pitch) {
  using C = Curves<V>;
  using Reg = typename V::Reg;
  const auto each = [&](auto function) {
    for (std::int64_t row = 0; row < rows; ++row) {
      float* at = values + row * pitch;
      for (std::int64_t i = 0; i < count; i += V::kLanes) V::store(at + i, function(V::load(at + i)));
    }
  };
  switch (curve) {
    case Curve::kNone: return;
    case Curve::kLeakyRelu:
      return each([slope = V::broadcast(&negative_slope)](Reg x) { return C::leaky_relu(x, slope); });
    case Curve::kRelu6: return each([](Reg x) { return C::relu6(x); });
    case Curve::kSilu: return each([](Reg x) { return C::silu(x); });
    case Curve::kGelu: return each([](Reg x) { return C::gelu(x); });
    case Curve::kHardswish: return each([](Reg x) { return C::hardswish(x); });
  }
}

// The float32 outputs of `side` x `side` pixels at a place (picture, y, x) of a convolution, cut at the picture's
// edges: `width` of its `columns` from `column` on.
template <class V, class Place>
void apply_curve(const ConvCall& call, const Place& place, int side, std::int64_t columns, int column, int width) {
  const ConvShape& s = call.shape;
  if (s.curve == Curve::kNone) return;
  float* output = static_cast<float*>(call.output) + column +
                  ((place.picture * s.out_height + place.y) * s.out_width + place.x) * columns;
  const int rows = smaller(side, s.out_height - place.y);
  for (int y = 0; y < rows; ++y, output += s.out_width * columns) {
    apply_curve<V>(s.curve, s.negative_slope, output, smaller(side, s.out_width - place.x), width, columns);
  }
}

}  // namespace
}  // namespace resnet
