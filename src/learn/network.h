// A network that learns, on a CPU, with the project's own kernels: forward in training and backward, in float32. Knows
// no loss, no optimiser and no files.
#pragma once

#include <functional>
#include <memory>
#include <span>

#include "base/thread_pool.h"
#include "learn/plan.h"
#include "learn/weights.h"

namespace resnet {

struct NetworkOptions {
  std::function<bool(const Node&)>
      learns;       // the others are frozen: their batch norms keep their statistics; empty: all
  int threads = 0;  // 0: one per processor this process may use
  Algorithms algorithms = Algorithms::kAuto;
};

// For one thread at a time; uses threads of its own. What it computes does not depend on how many.
class LearningNetwork {
 public:
  // Throws kMismatch where the weights are not the network's.
  LearningNetwork(const Graph& graph, const StateDict& weights, const NetworkOptions& options = {});
  ~LearningNetwork();

  const Graph& graph() const noexcept;
  LearnedWeights& weights() noexcept;
  ThreadPool& team() noexcept;

  // To be called after values of weights() were changed.
  void weights_changed() noexcept;

  // The logits (batch x classes, of a backbone batch x features) of pictures (batch x height x width x channels, which
  // must stay until backward()); batch norms learn their statistics. With `block_scale` F(x) of each block is
  // multiplied, picture by picture, by block_scale[block * batch + picture]: stochastic depth (Huang et al. 2016,
  // arXiv:1603.09382). Throws what plan_learning() throws, before anything is changed.
  std::span<const float> forward(const float* pictures, const FeatureShape& shape,
                                 std::span<const float> block_scale = {});

  // Adds the gradients of what learns to those that are there, from that of the logits of the last forward().
  void backward(std::span<const float> logits_gradient);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace resnet
