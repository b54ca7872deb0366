// A vector type's training table.
#pragma once

#include "kernels/vector/activation_gradient.h"
#include "kernels/vector/batch_norm.h"
#include "kernels/vector/weight_gradient.h"

namespace resnet {
namespace {

template <class V>
constexpr TrainingKernels training_table(Isa isa) {
  using Norm = BatchNorm<V>;
  return {isa,
          WeightGradient<V>::run,
          Norm::add_moments,
          Norm::normalize,
          Norm::add_gradient_sums,
          Norm::normalize_gradient,
          activation_gradient<V>};
}

}  // namespace
}  // namespace resnet
