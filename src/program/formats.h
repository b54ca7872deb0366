// How values are stored between operations, for a precision.
//
// In fp32 all are float32. In bf16 and int8 a value is stored narrow, as bfloat16 or quantized to u8, where a layer
// that multiplies narrow values reads it: in bf16 every layer, in int8 those with int8 weights. It is float32 where
// anything else reads it, and the logits are, and so are results of activations other than ReLU; where readers differ,
// operations that convert stand between. Pooling and option A's shortcut compute in whatever their readers want.
#pragma once

#include "program/program.h"
#include "resnet/precision.h"
#include "resnet/tensor.h"

namespace resnet {

// What an operation can read and give.
enum class Storage {
  kGiven,     // the network's input: given as float32, stored as anything
  kLayer,     // sums of products: reads either all narrow or all float32; reading narrow values, it gives either
  kPassedOn,  // some of the values it reads, or means of a few: gives the format that it reads
  kMean,      // of whole pictures: gives the type that it reads, in a scale of its own
  kFloat,     // float32 alone
};
Storage storage(Op op) noexcept;

// The program, whose values are all float32, with formats and conversions for a precision (not kAuto). `weights` are
// the graph's (check_weights.h). int8 is for programs lowered for inference. Throws kMismatch where the scale of a
// value that has to be u8 is not among the weights, or has a zero point although a ReLU gives the value.
Program give_formats(Program program, const StateDict& weights, Precision precision);

}  // namespace resnet
