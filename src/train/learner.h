// A network that learns: what one batch and one step do to it, and how well it does on pictures that it does not learn
// from. Knows no files and no epochs. There are two: LibTorch's, and our own (native_learner.h).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "resnet/model_file.h"
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
  Learner() = default;
  Learner(const Learner&) = delete;
  Learner& operator=(const Learner&) = delete;
  virtual ~Learner() = default;

  // Forward and backward: adds the gradients of loss / recipe.accumulate to those that are there. `number` is that of
  // the batch in the run, which stochastic depth draws from. Learns nothing, and says that of 0 images, where a process
  // has no good picture, or where a single one is left of all and gives a batch norm one value per channel.
  virtual BatchResult learn(const Batch& batch, std::int64_t number) = 0;

  // Takes the step that the gradients say, at this learning rate, and forgets them.
  virtual void step(double lr) = 0;

  virtual std::int64_t steps() const noexcept = 0;
  virtual bool averages() const noexcept = 0;

  // Over all of the loaders, with the averaged weights if asked. `go_on` sees each batch; nothing comes of it where one
  // in any process said no.
  virtual std::optional<Score> evaluate(Loader& loader, bool averaged,
                                        const std::function<bool(const Batch&)>& go_on) = 0;

  // The network as a model file holds it; class names and preprocessing are the caller's.
  virtual Model model(bool averaged) = 0;

  // False where a weight is no number or infinite.
  virtual bool is_finite() = 0;

  // All that makes the next step what it is. restore() throws kMismatch.
  virtual void save(StateDict& tensors) = 0;
  virtual void restore(const StateDict& tensors, std::int64_t steps, const std::string& where) = 0;
  // Makes all that save() takes rank 0's.
  virtual void share(std::int64_t steps) = 0;
  virtual double loss_scale() const noexcept = 0;
  virtual void set_loss_scale(double value) noexcept = 0;
};

// How the scale of each block is drawn for the batch `number` of a run, `images` pictures from the one `first` on: 0
// for the pictures that leave it out, else 1 / (probability of keeping it), blocks x images. Empty where none is left
// out.
std::vector<float> draw_block_scale(const Recipe& recipe, int blocks, std::int64_t first, std::int64_t images,
                                    std::int64_t number);

}  // namespace resnet
