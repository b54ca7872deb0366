// The numbers that steps compute with: weights folded with their batch norm and packed for an algorithm, and biases.
//
// Packing waits until a plan asks for it, because the algorithm may depend on the input size; what one plan packed,
// later plans share. The source tensors may be those of a file, which is then read again for every packing.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "engine/batch_norm.h"
#include "engine/kernels/kernels.h"
#include "engine/steps.h"
#include "resnet/tensor.h"

namespace resnet {

// What a step needs. Convolution and linear: packed weights, bias, and the scale of ConvCall where it reads kU8; batch
// norm: scale and shift.
struct StepConstants {
  const void* weights = nullptr;
  const float* bias = nullptr;
  const float* scale = nullptr;
  std::shared_ptr<const void> owner;  // of the memory
};

// Per output channel of a convolution or linear layer, what is done to sums of its inputs times its weights as they are
// stored: its own bias, its batch norm, and the scale of int8 weights.
// scale * (w x + b) + shift = (scale * w) x + (scale * b + shift).
ScaleShift scale_shift_of_sums(const Graph& graph, const StateDict& weights, const Step& step);

// Of a batch norm that stands alone.
StepConstants scale_shift_constants(const ScaleShift& norm);

// A convolution or linear layer, and the algorithm that will run it at `shape`.
struct ConstantsRequest {
  Step step;
  const ConvAlgorithm* algorithm = nullptr;
  ConvShape shape;
};

// Not safe for concurrent use; what it gave out is.
class Constants {
 public:
  // Checks that `weights` has every tensor of the graph in its shape, and those of int8 layers as arch/quantized.h
  // describes them (kMismatch).
  Constants(const Graph& graph, const StateDict& weights);

  // The same weights, nothing packed yet.
  Constants fresh() const { return {graph_, weights_}; }

  StepConstants of_batch_norm(const std::string& path) const;

  // One per request; what is not there yet is made by the whole team.
  std::vector<StepConstants> get(const std::vector<ConstantsRequest>& requests, ThreadPool& team);

  std::int64_t bytes() const noexcept { return bytes_; }

  // The source tensors. Never changes, so that anybody may read it.
  const StateDict& weights() const noexcept { return weights_; }

 private:
  const Graph& graph_;
  StateDict weights_;
  std::map<std::pair<int, const ConvAlgorithm*>, StepConstants> made_;
  std::int64_t bytes_ = 0;
};

}  // namespace resnet
