// Activations other than ReLU in double precision, value by value.
#pragma once

#include <cmath>
#include <numbers>

#include "kernels/curve.h"

namespace resnet {
namespace {

float curved(Curve curve, float negative_slope, float value) {
  const double x = value;
  const auto relu6 = [](double y) { return y < 0 ? 0 : y > 6 ? 6 : y; };
  switch (curve) {
    case Curve::kNone: return value;
    case Curve::kLeakyRelu: return value < 0 ? value * negative_slope : value;
    case Curve::kRelu6: return static_cast<float>(relu6(x));
    case Curve::kSilu: return static_cast<float>(x / (1 + std::exp(-x)));
    case Curve::kGelu: return static_cast<float>(x * std::erfc(-x / std::numbers::sqrt2) / 2);
    case Curve::kHardswish: return static_cast<float>(x * relu6(x + 3) / 6);
  }
  return value;
}

}  // namespace
}  // namespace resnet
