// SGD, AdamW and LAMB over a network's parameters, with the arithmetic of torch.optim where it has them. torch's own
// C++ optimisers have no LAMB and keep their state where a checkpoint cannot name it.
#pragma once

#include <torch/torch.h>

#include <string>
#include <vector>

#include "resnet/graph.h"
#include "resnet/recipe.h"
#include "resnet/tensor.h"
#include "resnet/torch.h"

namespace resnet {

class Optimizer {
 public:
  // Takes the parameters that require a gradient. Weight decay leaves out batch norms and biases unless decay_all; the
  // learning rate of each is that of its part (stage_lr).
  Optimizer(ResNet& net, const Recipe& recipe);

  // One step at the learning rate given, from the gradients that the parameters hold.
  void step(double lr);

  void zero_gradients();

  // Of all gradients together, after they were divided by `scale` in place. Where it is longer than `longest` (0: any)
  // they are shortened to that.
  double clip_gradients(double longest, double scale);

  // Handles of what is learned, always in the same order, and of the state.
  std::vector<torch::Tensor> learned() const;
  std::vector<torch::Tensor> state() const;

  // The state by name ("first.conv1.weight"), copied. restore() throws kMismatch where a name or a shape does not fit.
  void save(StateDict& tensors) const;
  void restore(const StateDict& tensors, const std::string& where);

  std::int64_t steps() const noexcept { return steps_; }
  void set_steps(std::int64_t steps) noexcept { steps_ = steps; }

 private:
  struct Parameter {
    std::string name;
    torch::Tensor value;
    double lr_factor;
    bool decays;  // weight decay is for it
    double decay;
    torch::Tensor first;   // momentum, or the mean of gradients
    torch::Tensor second;  // the mean of their squares; undefined for SGD
  };
  void sgd(Parameter& p, double lr) const;
  void adam(Parameter& p, double lr, bool lamb) const;

  Recipe recipe_;
  std::vector<Parameter> parameters_;
  std::int64_t steps_ = 0;
};

}  // namespace resnet
