// SGD, AdamW and LAMB over the tensors of a network that learn, with the arithmetic of torch.optim where it has them,
// shared among a team of threads.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "learn/weights.h"

namespace resnet {

struct OptimizerOptions {
  enum class Kind { kSgd, kAdamW, kLamb };
  Kind kind = Kind::kSgd;
  double momentum = 0;  // of SGD
  bool nesterov = false;
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;  // of the others
  double weight_decay = 0;
};

// What is different from tensor to tensor.
struct TensorRate {
  double lr_factor = 1;
  bool decays = true;
};

// Results do not depend on the number of threads.
class LearnedOptimizer {
 public:
  // Keeps `weights` and `team`.
  LearnedOptimizer(LearnedWeights& weights, ThreadPool& team, const OptimizerOptions& options,
                   const std::function<TensorRate(const LearnedTensor&)>& rate);

  // One step at the learning rate given, from the gradients. They are no gradients any more afterwards.
  void step(double lr);

  void zero_gradients();

  // The length of all gradients together; where it is more than `longest` (0: any) they are shortened to that.
  double clip_gradients(double longest);

  // The state by name: "first.conv1.weight", "second.conv1.weight". restore() throws kMismatch where a name or a shape
  // does not fit.
  void save(StateDict& tensors) const;
  void restore(const StateDict& tensors, const std::string& where);
  bool is_finite() const;

  bool empty() const noexcept { return parameters_.empty(); }
  std::int64_t steps() const noexcept { return steps_; }
  void set_steps(std::int64_t steps) noexcept { steps_ = steps; }

 private:
  struct Parameter {
    LearnedTensor* tensor;
    TensorRate rate;
    double decay;
    AlignedBuffer<float> first;   // momentum, or the mean of gradients
    AlignedBuffer<float> second;  // the mean of their squares; empty for SGD
  };
  // A part of a parameter that one thread works on, and sums over it.
  struct Chunk {
    std::size_t parameter, begin, end;
    double squares = 0, change = 0;
  };
  template <typename Work>
  void for_each_chunk(Work work);
  void sgd(Parameter& p, const Chunk& chunk, double lr) const;
  void adam(Parameter& p, Chunk& chunk) const;
  void finish_adam(Parameter& p, const Chunk& chunk, double lr, double trust) const;
  double trust(std::size_t parameter) const;

  OptimizerOptions options_;
  ThreadPool& team_;
  std::vector<Parameter> parameters_;
  std::vector<Chunk> chunks_;
  std::int64_t steps_ = 0;
};

// The moving average of a network's weights and statistics (EMA): often better than any single step's.
class LearnedAverage {
 public:
  // Starts from the network's values. Keeps `weights`.
  LearnedAverage(LearnedWeights& weights, double decay);

  // After step `step` (from 1): average = d * average + (1 - d) * value, d rising as (1 + step) / (10 + step) to
  // `decay`, so that the first steps are soon forgotten.
  void update(std::int64_t step);

  // `weights` with the averages in the place of the values.
  StateDict state_dict() const;

  // As "ema.conv1.weight"; restore() as the optimiser's.
  void save(StateDict& tensors) const;
  void restore(const StateDict& tensors, const std::string& where);
  bool is_finite() const;

 private:
  LearnedWeights& weights_;
  double decay_;
  std::vector<AlignedBuffer<float>> averages_;  // of each tensor
};

}  // namespace resnet
