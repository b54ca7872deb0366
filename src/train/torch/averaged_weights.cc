#include "train/torch/averaged_weights.h"

#include <algorithm>

#include "base/error.h"
#include "train/torch/tensors.h"

namespace resnet {

AveragedWeights::AveragedWeights(ResNet& net, double decay) : decay_(decay) {
  const auto add = [&](const std::string& name, const torch::Tensor& value) {
    if (!value.is_floating_point()) return;  // num_batches_tracked
    names_.push_back("ema." + name);
    values_.push_back(value.detach());
    averages_.push_back(value.detach().clone());
  };
  for (const auto& item : net->named_parameters()) add(item.key(), item.value());
  for (const auto& item : net->named_buffers()) add(item.key(), item.value());
}

void AveragedWeights::update(std::int64_t step) {
  const torch::NoGradGuard no_grad;
  const auto n = static_cast<double>(step);
  at::_foreach_lerp_(averages_, values_, 1 - std::min(decay_, (1 + n) / (10 + n)));
}

void AveragedWeights::swap() {
  const torch::NoGradGuard no_grad;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const torch::Tensor kept = values_[i].clone();
    values_[i].copy_(averages_[i]);
    averages_[i].copy_(kept);
  }
}

void AveragedWeights::save(StateDict& tensors) const {
  for (std::size_t i = 0; i < names_.size(); ++i) tensors.add(names_[i], from_torch(averages_[i]));
}

void AveragedWeights::restore(const StateDict& tensors, const std::string& where) {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    const Tensor* tensor = tensors.find(names_[i]);
    if (tensor == nullptr) fail(ErrorCode::kMismatch, where, "lacks '{}'", names_[i]);
    copy_to_torch(*tensor, averages_[i], where + ": " + names_[i]);
  }
}

}  // namespace resnet
