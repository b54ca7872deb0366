// A network that learns: what one batch and one step do to it, and how well it does on pictures that it does not learn
// from. Knows no files and no epochs.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "train/averaged_weights.h"
#include "train/device.h"
#include "train/optimizer.h"
#include "train/processes.h"
#include "train/task.h"

namespace resnet {

// Over the pictures of all processes.
struct BatchResult {
  double loss = 0;  // mean over the pictures; as it is learned from, label smoothing and all
  std::int64_t right = 0;
  std::int64_t images = 0;
};

struct Score {
  double loss = 0;  // mean cross-entropy
  std::int64_t right1 = 0, right5 = 0, images = 0;
  double top1() const { return images > 0 ? static_cast<double>(right1) / static_cast<double>(images) : 0; }
  double top5() const { return images > 0 ? static_cast<double>(right5) / static_cast<double>(images) : 0; }
};

// In several processes each learns from its part of a batch, and the network becomes what one process would make of the
// whole batch: batch norm's statistics are those of all pictures, gradients those of their mean loss.
class Learner {
 public:
  // Throws kUnsupported for a device that is not there, and for several processes on CUDA. Keeps `processes`.
  explicit Learner(const Task& task, Processes& processes);

  // Forward and backward: adds the gradients of loss / recipe.accumulate to those that are there. `number` is that of
  // the batch in the run, which stochastic depth draws from. Learns nothing, and says that of 0 images, where a process
  // has no good picture, or where a single one is left of all and gives a batch norm one value per channel.
  BatchResult learn(const Batch& batch, std::int64_t number);

  // Takes the step that the gradients say, at this learning rate, and forgets them.
  void step(double lr);

  std::int64_t steps() const noexcept { return optimizer_.steps(); }
  bool averages() const noexcept { return average_.has_value(); }

  // Over all of the loaders, with the averaged weights if asked. `go_on` sees each batch; nothing comes of it where one
  // in any process said no.
  std::optional<Score> evaluate(Loader& loader, bool averaged, const std::function<bool(const Batch&)>& go_on);

  // The network as a model file holds it; class names and preprocessing are the caller's.
  Model model(bool averaged);

  // False where a weight is no number or infinite.
  bool is_finite();

  // All that makes the next step what it is. restore() throws kMismatch.
  void save(StateDict& tensors);
  void restore(const StateDict& tensors, std::int64_t steps, const std::string& where);
  // Makes all that save() takes rank 0's.
  void share(std::int64_t steps);
  double loss_scale() const noexcept { return scale_.value(); }
  void set_loss_scale(double value) noexcept { scale_.set_value(value); }

 private:
  void set_training();
  void reduce_gradients();
  torch::Tensor loss(const torch::Tensor& logits, const torch::Tensor& labels, const Batch& batch);
  torch::Tensor block_scale(std::int64_t images, std::int64_t number) const;

  Processes& processes_;
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
