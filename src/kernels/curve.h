// The activations other than ReLU, by the names of PyTorch's functions. What computes them on float32 values stands in
// generic/curve_ref.h and vector/curves.h.
#pragma once

#include <cstdint>

namespace resnet {

enum class Curve : std::uint8_t {
  kNone,
  kLeakyRelu,  // x, below zero times a slope
  kRelu6,      // cut to 0..6
  kSilu,       // x / (1 + e^-x)
  kGelu,       // x (1 + erf(x / sqrt 2)) / 2
  kHardswish,  // x relu6(x + 3) / 6
};

}  // namespace resnet
