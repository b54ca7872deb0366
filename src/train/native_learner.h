// Our own learner: the project's kernels, in float32, on the processors of one process.
#pragma once

#include <optional>

#include "learn/loss.h"
#include "learn/network.h"
#include "learn/optimizer.h"
#include "train/learner.h"

namespace resnet {

class NativeLearner : public Learner {
 public:
  // Throws kInvalidArgument where the recipe leaves nothing to learn.
  explicit NativeLearner(const Task& task);

  BatchResult learn(const Batch& batch, std::int64_t number) override;
  void step(double lr) override;
  std::int64_t steps() const noexcept override { return optimizer_.steps(); }
  bool averages() const noexcept override { return average_.has_value(); }
  std::optional<Score> evaluate(Loader& loader, bool averaged, const std::function<bool(const Batch&)>& go_on) override;
  Model model(bool averaged) override;
  bool is_finite() override;
  void save(StateDict& tensors) override;
  void restore(const StateDict& tensors, std::int64_t steps, const std::string& where) override;
  void share(std::int64_t /*steps*/) override {}  // there is one process
  double loss_scale() const noexcept override { return 1; }
  void set_loss_scale(double /*value*/) noexcept override {}

 private:
  void check_weights_of(const Batch& batch, std::span<const std::int64_t> labels) const;

  Recipe recipe_;
  int threads_;
  LearningNetwork network_;
  LearnedOptimizer optimizer_;
  std::optional<LearnedAverage> average_;
  LossOptions loss_;
  bool one_picture_suffices_;  // for the statistics of each batch norm
  int blocks_ = 0;
  bool learned_ = false;  // something since the last step
};

}  // namespace resnet
