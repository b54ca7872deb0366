#include "engine/precision.h"

#include "base/error.h"
#include "program/quantized.h"

namespace resnet {

Precision choose_precision(const Graph& graph, const StateDict& weights, const EngineOptions& options,
                           const Kernels& kernels) {
  const bool quantized = is_quantized(graph, weights);
  const bool has_bf16 = kernels.multiplies(ValueType::kBf16);
  Precision precision = options.precision.value_or(quantized ? Precision::kInt8 : Precision::kFp32);
  if (precision == Precision::kAuto) {
    precision = quantized                              ? Precision::kInt8
                : has_bf16 && kernels.isa != Isa::kRef ? Precision::kBf16
                                                       : Precision::kFp32;
  }
  if (precision == Precision::kBf16 && !has_bf16) {
    fail(ErrorCode::kUnsupported, "precision", "bf16 needs a processor with AVX-512 BF16; this one is used as {}",
         name(kernels.isa));
  }
  if (precision == Precision::kInt8 && !quantized) {
    fail(ErrorCode::kMismatch, "precision", "the weights are not int8; 'resnet quantize' makes a model whose are");
  }
  if (precision != Precision::kFp32 && !options.fuse) {
    fail(ErrorCode::kInvalidArgument, "precision", "{} is computed in fused steps alone", name(precision));
  }
  return precision;
}

}  // namespace resnet
