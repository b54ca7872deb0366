// Batch norm, the addition of a shortcut and ReLU as one operation of autograd: fewer passes over memory than three,
// and only the input is kept for the gradient (with a shortcut, the output as well, which the next convolution keeps
// anyway).
#pragma once

#include <torch/torch.h>

#include <functional>
#include <string>

namespace resnet {

using SumAcross = std::function<void(torch::Tensor&)>;  // resnet/torch.h

// relu(norm(x) + residual), without the addition where `residual` is undefined, without the ReLU where `relu` is false.
// In training mode the running statistics are updated, as torch::nn::BatchNorm2d does. On a CPU, float32 and bfloat16
// in memory format channels_last take the fused path; everything else takes torch's own operations one by one.
//
// With `sum_across` (torch.h) the pixels of all processes count as one batch. Throws kUnsupported where it is given and
// the tensor is neither of these types on a CPU; kInvalidArgument in training mode where a channel has one value alone,
// whose variance is no statistic. The place is `where`.
torch::Tensor batch_norm_add_relu(torch::nn::BatchNorm2dImpl& norm, const torch::Tensor& x,
                                  const torch::Tensor& residual, bool relu, const SumAcross& sum_across = {},
                                  const std::string& where = "batch norm");

}  // namespace resnet
