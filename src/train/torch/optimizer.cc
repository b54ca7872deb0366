#include "train/torch/optimizer.h"

#include <cmath>
#include <map>

#include "base/error.h"
#include "recipe/parts.h"
#include "train/task.h"
#include "train/torch/tensors.h"

namespace resnet {

Optimizer::Optimizer(ResNet& net, const Recipe& recipe) : recipe_(recipe) {
  std::map<std::string, double> factors;
  for (const std::string& item : recipe.stage_lr) factors.insert(parse_part_factor(item, "recipe: stage_lr"));
  const auto tensors = net->named_parameters();
  for (const resnet::Parameter& known : parameters(net->graph())) {
    const torch::Tensor* value = tensors.find(known.name);
    if (value == nullptr || !value->requires_grad()) continue;  // a buffer, or frozen
    const Node& node = net->graph().nodes[known.node];
    const bool decays = recipe.decay_all || (node.op != Op::kBatchNorm && known.name.ends_with(".weight"));
    const auto factor = factors.find(part_of(node));
    Parameter p{
        known.name, *value, factor == factors.end() ? 1 : factor->second, decays, decays ? recipe.weight_decay : 0,
        {},         {}};
    const torch::NoGradGuard no_grad;
    p.first = torch::zeros_like(p.value);
    if (recipe.optimizer != Recipe::Optimizer::kSgd) p.second = torch::zeros_like(p.value);
    parameters_.push_back(std::move(p));
  }
  if (parameters_.empty()) fail(ErrorCode::kInvalidArgument, "recipe", "freeze: nothing is left to learn");
}

void Optimizer::step(double lr) {
  const torch::NoGradGuard no_grad;
  ++steps_;
  for (Parameter& p : parameters_) {
    if (!p.value.grad().defined()) continue;  // every picture of the step was bad
    switch (recipe_.optimizer) {
      case Recipe::Optimizer::kSgd: sgd(p, lr * p.lr_factor); break;
      case Recipe::Optimizer::kAdamW: adam(p, lr * p.lr_factor, /*lamb=*/false); break;
      case Recipe::Optimizer::kLamb: adam(p, lr * p.lr_factor, /*lamb=*/true); break;
    }
  }
}

// Sutskever et al. 2013 in the form of torch.optim.SGD: the buffer is momentum * buffer + gradient.
void Optimizer::sgd(Parameter& p, double lr) const {
  torch::Tensor g = p.value.grad();
  if (p.decay != 0) g = g.add_(p.value, p.decay);
  if (recipe_.momentum != 0) {
    p.first.mul_(recipe_.momentum).add_(g);
    g = recipe_.nesterov ? g.add_(p.first, recipe_.momentum) : p.first;
  }
  p.value.add_(g, -lr);
}

// AdamW: Loshchilov and Hutter 2017 (arXiv:1711.05101), algorithm 2. LAMB: You et al. 2019 (arXiv:1904.00962),
// algorithm 2; like its authors' code, parameters that weight decay leaves out take AdamW's step.
void Optimizer::adam(Parameter& p, double lr, bool lamb) const {
  const torch::Tensor& g = p.value.grad();
  p.first.lerp_(g, 1 - recipe_.beta1);
  p.second.mul_(recipe_.beta2).addcmul_(g, g, 1 - recipe_.beta2);
  const double correction1 = 1 - std::pow(recipe_.beta1, steps_);
  const double correction2 = 1 - std::pow(recipe_.beta2, steps_);
  const torch::Tensor deviation = p.second.sqrt().div_(std::sqrt(correction2)).add_(recipe_.epsilon);
  torch::Tensor update = p.first.div(deviation).div_(correction1);
  double trust = 1;
  if (lamb && p.decays) {
    update.add_(p.value, p.decay);
    const double length = p.value.norm().item<double>();
    const double change = update.norm().item<double>();
    if (length > 0 && change > 0) trust = length / change;
  } else {
    p.value.mul_(1 - lr * p.decay);
  }
  p.value.add_(update, -lr * trust);
}

void Optimizer::zero_gradients() {
  for (Parameter& p : parameters_) p.value.mutable_grad().reset();
}

double Optimizer::clip_gradients(double longest, double scale) {
  const torch::NoGradGuard no_grad;
  std::vector<torch::Tensor> gradients;
  for (Parameter& p : parameters_) {
    if (p.value.grad().defined()) gradients.push_back(p.value.grad());
  }
  if (gradients.empty()) return 0;
  if (scale != 1) at::_foreach_mul_(gradients, 1 / scale);
  const double length = torch::stack(at::_foreach_norm(gradients)).norm().item<double>();
  if (longest > 0 && length > longest) at::_foreach_mul_(gradients, longest / (length + 1e-6));  // torch's epsilon
  return length;
}

std::vector<torch::Tensor> Optimizer::learned() const {
  std::vector<torch::Tensor> result;
  for (const Parameter& p : parameters_) result.push_back(p.value);
  return result;
}

std::vector<torch::Tensor> Optimizer::state() const {
  std::vector<torch::Tensor> result;
  for (const Parameter& p : parameters_) {
    result.push_back(p.first);
    if (p.second.defined()) result.push_back(p.second);
  }
  return result;
}

void Optimizer::save(StateDict& tensors) const {
  for (const Parameter& p : parameters_) {
    tensors.add("first." + p.name, from_torch(p.first));
    if (p.second.defined()) tensors.add("second." + p.name, from_torch(p.second));
  }
}

void Optimizer::restore(const StateDict& tensors, const std::string& where) {
  const auto restore_one = [&](const std::string& name, torch::Tensor& target) {
    const Tensor* tensor = tensors.find(name);
    if (tensor == nullptr) fail(ErrorCode::kMismatch, where, "lacks '{}'", name);
    copy_to_torch(*tensor, target, where + ": " + name);
  };
  for (Parameter& p : parameters_) {
    restore_one("first." + p.name, p.first);
    if (p.second.defined()) restore_one("second." + p.name, p.second);
  }
}

}  // namespace resnet
