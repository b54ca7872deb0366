// A model in the other module layout, computing the same function.
#pragma once

#include "resnet/model_file.h"

namespace resnet {

// To the tutorial's: convolutions get biases of zero. To torchvision's: a convolution's bias b is taken up by the batch
// norm behind it, which subtracts its running mean m from x + b, so that m - b takes the place of m. The new mean is
// rounded once, to float32 (float64 where the mean or the bias is). Throws kUnsupported where the layout does not know
// the architecture (with_layout).
Model change_layout(const Model& model, Layout layout);

}  // namespace resnet
