// What operations compute with: weights folded with their batch norm and packed for an algorithm, and biases.
//
// Packing waits until a plan asks for it, because the algorithm may depend on the input size; what one plan packed,
// later plans share. The source tensors may be those of a file, which is then read again for every packing.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "program/program.h"
#include "program/scale_shift.h"
#include "resnet/tensor.h"

namespace resnet {

// What an operation needs. Convolution and linear: packed weights, bias, and the scale of ConvCall where it reads kU8;
// batch norm: scale and shift.
struct StepConstants {
  const void* weights = nullptr;
  const float* bias = nullptr;
  const float* scale = nullptr;
  std::shared_ptr<const void> owner;  // of the memory
};

// Of a batch norm that stands alone.
StepConstants scale_shift_constants(const ScaleShift& norm);

// A convolution or linear layer, and the algorithm that will run it at `shape`.
struct ConstantsRequest {
  Operation operation;
  const ConvAlgorithm* algorithm = nullptr;
  ConvShape shape;
};

// Throws kMismatch, listing each tensor that the graph needs and `weights` lacks or has otherwise; more tensors than
// these are of no interest.
void require_weights(const Graph& graph, const StateDict& weights);

// All functions may be called from several threads at the same time. Who packs does so alone; others wait for that in
// get(), and nowhere else.
class Constants {
 public:
  // `weights` are the program's (require_weights()). Keeps a reference to the program.
  Constants(const Program& program, const StateDict& weights);

  // The same weights, nothing packed yet.
  Constants fresh() const { return {program_, weights_}; }

  StepConstants of_batch_norm(const Node& node) const;

  // One per request; what is not there yet is made by the whole team.
  std::vector<StepConstants> get(const std::vector<ConstantsRequest>& requests, ThreadPool& team);

  std::int64_t bytes() const noexcept { return bytes_.load(std::memory_order_relaxed); }

  // The source tensors. Never changes, so that anybody may read it.
  const StateDict& weights() const noexcept { return weights_; }

 private:
  const Program& program_;
  StateDict weights_;
  std::mutex packing_;  // for made_
  std::map<std::pair<int, const ConvAlgorithm*>, StepConstants> made_;
  std::atomic<std::int64_t> bytes_ = 0;
};

}  // namespace resnet
