// The precisions in which a network runs.
#pragma once

#include <string_view>

namespace resnet {

// What convolutions multiply, and what lies between layers. docs/precision.md says how much each costs and brings.
enum class Precision {
  kFp32,
  kBf16,  // sums in float32; for processors that multiply bfloat16 (kUnsupported elsewhere)
  kInt8,  // for weights that `resnet quantize` made (kMismatch for others), bit for bit the same on all processors
  kAuto,  // the fastest that keeps what a network says: kInt8 for such weights, else kBf16 where it can be, else kFp32
};
std::string_view name(Precision precision) noexcept;  // "fp32", ...
Precision parse_precision(std::string_view name);     // throws kInvalidArgument listing the names

}  // namespace resnet
