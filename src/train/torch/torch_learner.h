// LibTorch's learner: the module of a program, autograd, and the sums of several processes.
#pragma once

#include <optional>

#include "train/learner.h"
#include "train/torch/averaged_weights.h"
#include "train/torch/device.h"
#include "train/torch/optimizer.h"
#include "train/torch/torch_processes.h"

namespace resnet {

class TorchLearner : public Learner {
 public:
  // Throws kUnsupported for a device that is not there, and for several processes on CUDA. Keeps `processes`.
  explicit TorchLearner(const Task& task, TorchProcesses& processes);

  BatchResult learn(const Batch& batch, std::int64_t number) override;
  void step(double lr) override;
  std::int64_t steps() const noexcept override { return optimizer_.steps(); }
  bool averages() const noexcept override { return average_.has_value(); }
  std::optional<Score> evaluate(Loader& loader, bool averaged, const std::function<bool(const Batch&)>& go_on) override;
  Model model(bool averaged) override;
  bool is_finite() override;
  void save(StateDict& tensors) override;
  void restore(const StateDict& tensors, std::int64_t steps, const std::string& where) override;
  void share(std::int64_t steps) override;
  double loss_scale() const noexcept override { return scale_.value(); }
  void set_loss_scale(double value) noexcept override { scale_.set_value(value); }

 private:
  void set_training();
  void reduce_gradients();
  torch::Tensor loss(const torch::Tensor& logits, const torch::Tensor& labels, const Batch& batch);
  torch::Tensor block_scale(std::int64_t images, std::int64_t number) const;

  TorchProcesses& processes_;
  Recipe recipe_;
  Device device_;
  std::vector<std::string> frozen_;  // parts
  ResNet net_;
  Optimizer optimizer_;
  LossScale scale_;
  std::optional<AveragedWeights> average_;
  torch::Tensor class_weights_;
  bool one_picture_suffices_;  // for the statistics of each batch norm
  int blocks_ = 0;
  bool reduced_ = false;  // the gradients of this step, over the processes
};

}  // namespace resnet
