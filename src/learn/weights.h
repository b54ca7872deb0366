// The tensors of a network that learns, by name, and the gradients of those that learn.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/buffer.h"
#include "resnet/graph.h"
#include "resnet/tensor.h"

namespace resnet {

struct LearnedTensor {
  std::string name;
  Shape shape;
  int node = 0;
  bool learns = false;            // has a gradient; false for statistics and what is frozen
  AlignedBuffer<float> value;     // as a state dict has it
  AlignedBuffer<float> gradient;  // of what learns; zeros at first, then sums of backward passes
};

class LearnedWeights {
 public:
  // `learns` says whether the parameters of a node do. Throws kMismatch where `weights`
  // are not the graph's, kUnsupported where they are int8. Keeps the graph.
  LearnedWeights(const Graph& graph, const StateDict& weights, const std::function<bool(const Node&)>& learns);

  std::vector<LearnedTensor>& tensors() noexcept { return tensors_; }
  const std::vector<LearnedTensor>& tensors() const noexcept { return tensors_; }

  // The tensor of a node by the last part of its name ("weight"); null where it has none.
  LearnedTensor* find(int node, std::string_view part) noexcept;

  // A batch was learned from by the batch norms that learn.
  void count_batch() noexcept { ++batches_; }

  // Copies, in the order of PyTorch's state_dict(). load() throws as the constructor does.
  StateDict state_dict() const;
  void load(const StateDict& weights);

 private:
  struct Counter {
    std::string name;    // of a num_batches_tracked
    std::size_t before;  // tensors that come before it
    bool learns;
    std::int64_t value;
  };
  const Graph& graph_;
  std::vector<LearnedTensor> tensors_;
  std::vector<Counter> counters_;
  std::int64_t batches_ = 0;  // since the counters were read
};

}  // namespace resnet
