// The slopes of activations, over vectors of float32.
#pragma once

#include "kernels/vector/curves.h"

namespace resnet {
namespace {

template <class V>
struct Slopes {
  using C = Curves<V>;
  using Reg = typename V::Reg;

  // g where low < x < high.
  static Reg between(Reg x, float low, float high, Reg g) {
    const Reg above = V::subtract(x, C::number(low));
    return V::where_positive(above, V::where_positive(V::subtract(C::number(high), x), g));
  }

  static Reg relu(Reg x, Reg g) { return V::where_positive(x, g); }

  static Reg leaky_relu(Reg x, Reg g, Reg slope) {
    const Reg flat = V::multiply(g, slope);
    return V::add(flat, V::where_positive(x, V::subtract(g, flat)));
  }

  static Reg silu(Reg x, Reg g) {
    const Reg one = C::number(1);
    const Reg share = V::divide(one, V::add(one, C::exponential(C::negative(x))));
    return V::multiply(g, V::multiply(share, V::multiply_add(x, V::subtract(one, share), one)));
  }

  // The normal distribution's integral (curves.h) and x times its density.
  static Reg gelu(Reg x, Reg g) {
    const Reg density = C::exponential(V::multiply(V::multiply(x, x), C::number(-0.5F)));
    const Reg size = V::add(V::relu(x), V::relu(C::negative(x)));
    const Reg below = C::normal_below(size, density);
    const Reg integral = V::add(below, V::where_positive(x, V::subtract(C::number(1), V::add(below, below))));
    return V::multiply(g, V::multiply_add(V::multiply(x, C::number(0.3989422804F)), density, integral));
  }

  static Reg hardswish(Reg x, Reg g) {
    const Reg middle = V::multiply(g, V::multiply_add(x, C::number(1.0F / 3), C::number(0.5F)));
    return V::add(between(x, -3, 3, middle), V::where_positive(V::subtract(x, C::number(2.9999998F)), g));
  }
};

template <class V>
void activation_gradient(Curve curve, float negative_slope, const float* values, float* gradient, std::size_t begin,
                         std::size_t end) noexcept {
  using S = Slopes<V>;
  using Reg = typename V::Reg;
  const auto each = [&](auto function) {
    for (std::size_t i = begin; i < end; i += V::kLanes) {
      V::store(gradient + i, function(V::load(values + i), V::load(gradient + i)));
    }
  };
  switch (curve) {
    case Curve::kNone: return each([](Reg x, Reg g) { return S::relu(x, g); });
    case Curve::kLeakyRelu:
      return each([slope = V::broadcast(&negative_slope)](Reg x, Reg g) { return S::leaky_relu(x, g, slope); });
    case Curve::kRelu6: return each([](Reg x, Reg g) { return S::between(x, 0, 6, g); });
    case Curve::kSilu: return each([](Reg x, Reg g) { return S::silu(x, g); });
    case Curve::kGelu: return each([](Reg x, Reg g) { return S::gelu(x, g); });
    case Curve::kHardswish: return each([](Reg x, Reg g) { return S::hardswish(x, g); });
  }
}

}  // namespace
}  // namespace resnet
