#include "train/native_learner.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "learn/stored.h"
#include "recipe/parts.h"
#include "resnet/engine.h"
#include "weights/checkpoint.h"

namespace resnet {
namespace {

NetworkOptions network_options(const Task& task) {
  NetworkOptions options;
  options.threads = task.threads;
  options.learns = [frozen = frozen_parts(task.recipe, task.graph)](const Node& node) {
    return std::find(frozen.begin(), frozen.end(), part_of(node)) == frozen.end();
  };
  return options;
}

OptimizerOptions optimizer_options(const Recipe& recipe) {
  OptimizerOptions options;
  switch (recipe.optimizer) {
    case Recipe::Optimizer::kSgd: options.kind = OptimizerOptions::Kind::kSgd; break;
    case Recipe::Optimizer::kAdamW: options.kind = OptimizerOptions::Kind::kAdamW; break;
    case Recipe::Optimizer::kLamb: options.kind = OptimizerOptions::Kind::kLamb; break;
  }
  options.momentum = recipe.momentum;
  options.nesterov = recipe.nesterov;
  options.beta1 = recipe.beta1;
  options.beta2 = recipe.beta2;
  options.epsilon = recipe.epsilon;
  options.weight_decay = recipe.weight_decay;
  return options;
}

// Weight decay leaves out batch norms and biases unless decay_all; the learning rate is that of the part (stage_lr).
std::function<TensorRate(const LearnedTensor&)> rates(const Task& task) {
  std::map<std::string, double> factors;
  for (const std::string& item : task.recipe.stage_lr) factors.insert(parse_part_factor(item, "recipe: stage_lr"));
  return [&task, factors](const LearnedTensor& tensor) {
    const Node& node = task.graph.nodes[static_cast<std::size_t>(tensor.node)];
    const auto factor = factors.find(part_of(node));
    const bool weight = node.op != Op::kBatchNorm && tensor.name.ends_with(".weight");
    return TensorRate{factor == factors.end() ? 1 : factor->second, task.recipe.decay_all || weight};
  };
}

// Batches come as training takes them, the engine takes NCHW.
std::vector<float> planes_of(const Batch& batch) {
  const std::size_t plane = static_cast<std::size_t>(batch.height) * static_cast<std::size_t>(batch.width);
  const auto channels = static_cast<std::size_t>(batch.channels);
  std::vector<float> planes(batch.size * channels * plane);
  const float* from = batch.pixels.get();
  for (std::size_t image = 0; image < batch.size; ++image) {
    for (std::size_t pixel = 0; pixel < plane; ++pixel) {
      for (std::size_t c = 0; c < channels; ++c) planes[(image * channels + c) * plane + pixel] = *from++;
    }
  }
  return planes;
}

// How many classes a row of logits puts before the label.
std::size_t rank_of(std::span<const float> row, std::size_t label) {
  std::size_t before = 0;
  for (std::size_t c = 0; c < row.size(); ++c) {
    if (row[c] > row[label] || (row[c] == row[label] && c < label)) ++before;
  }
  return before;
}

void add_scores(std::span<const float> logits, const std::vector<std::int64_t>& labels, Score& score) {
  const std::size_t classes = logits.size() / labels.size();
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::size_t rank = rank_of(logits.subspan(i * classes, classes), static_cast<std::size_t>(labels[i]));
    if (rank == 0) ++score.right1;
    if (rank < 5) ++score.right5;
  }
  std::vector<float> unused(logits.size());
  const auto count = static_cast<std::int64_t>(labels.size());
  score.loss += cross_entropy(logits, labels, {}, 1, unused) * static_cast<double>(count);
  score.images += count;
}

}  // namespace

NativeLearner::NativeLearner(const Task& task)
    : recipe_(task.recipe),
      threads_(task.threads),
      network_(task.graph, task.weights, network_options(task)),
      optimizer_(network_.weights(), network_.team(), optimizer_options(recipe_), rates(task)),
      loss_{recipe_.label_smoothing, recipe_.class_weights},
      one_picture_suffices_(least_values_of_norms(task) > 1) {
  if (optimizer_.empty()) fail(ErrorCode::kInvalidArgument, "recipe", "freeze: nothing is left to learn");
  if (recipe_.ema > 0) average_.emplace(network_.weights(), recipe_.ema);
  for (const Node& node : task.graph.nodes) blocks_ += node.op == Op::kAdd ? 1 : 0;
}

// With class weights the mean is weighted, which there is none of where all weights are 0.
void NativeLearner::check_weights_of(const Batch& batch, std::span<const std::int64_t> labels) const {
  if (total_weight(labels, loss_) != 0) return;
  fail(ErrorCode::kInvalidArgument, recipe_.place("class_weights"),
       "all pictures of batch {} of epoch {} are of classes whose weight is 0: nothing can be learned from it; larger "
       "batches or weights above 0 help",
       batch.number + 1, batch.epoch + 1);
}

BatchResult NativeLearner::learn(const Batch& batch, std::int64_t number) {
  if (recipe_.bad_images == Recipe::BadImages::kSkip) {
    if (batch.size == 0 || (batch.size == 1 && !one_picture_suffices_)) return {};
  }
  const auto images = static_cast<std::int64_t>(batch.size);
  const bool mixed = !batch.other_labels.empty();
  check_weights_of(batch, batch.labels);
  if (mixed) check_weights_of(batch, batch.other_labels);
  const std::vector<float> scale = draw_block_scale(recipe_, blocks_, 0, images, number);
  const std::span<const float> logits =
      network_.forward(batch.pixels.get(), {images, batch.channels, batch.height, batch.width}, scale);
  std::vector<float> gradient(logits.size());
  const double share = 1 / static_cast<double>(recipe_.accumulate);
  const double own = mixed ? batch.weight : 1;
  BatchResult result;
  result.images = images;
  result.loss = own * cross_entropy(logits, batch.labels, loss_, own * share, gradient);
  if (mixed) result.loss += (1 - own) * cross_entropy(logits, batch.other_labels, loss_, (1 - own) * share, gradient);
  const std::size_t classes = logits.size() / batch.size;
  for (std::size_t i = 0; i < batch.size; ++i) {
    const auto row = logits.subspan(i * classes, classes);
    if (rank_of(row, static_cast<std::size_t>(batch.labels[i])) == 0) ++result.right;
  }
  if (!std::isfinite(result.loss)) return result;
  network_.backward(gradient);
  learned_ = true;
  return result;
}

void NativeLearner::step(double lr) {
  if (learned_) {
    if (recipe_.clip > 0) optimizer_.clip_gradients(recipe_.clip);
    optimizer_.step(lr);
    optimizer_.zero_gradients();
    network_.weights_changed();
    learned_ = false;
  } else {
    optimizer_.set_steps(optimizer_.steps() + 1);  // every picture of the step was bad
  }
  if (average_) average_->update(optimizer_.steps());
}

std::optional<Score> NativeLearner::evaluate(Loader& loader, bool averaged,
                                             const std::function<bool(const Batch&)>& go_on) {
  EngineOptions options;
  options.threads = threads_;
  const Engine engine(network_.graph(), averaged ? average_->state_dict() : network_.weights().state_dict(), options);
  const auto classes = static_cast<std::size_t>(network_.graph().output().out_channels);
  Score score;
  loader.start(0);
  while (auto batch = loader.next()) {
    if (!go_on(*batch)) return std::nullopt;
    if (batch->size == 0) continue;
    std::vector<float> logits(batch->size * classes);
    engine.run(planes_of(*batch),
               {static_cast<std::int64_t>(batch->size), batch->channels, batch->height, batch->width}, logits);
    add_scores(logits, batch->labels, score);
  }
  if (score.images > 0) score.loss /= static_cast<double>(score.images);
  return score;
}

Model NativeLearner::model(bool averaged) {
  Model model;
  model.architecture = network_.graph().architecture;
  model.weights = averaged ? average_->state_dict() : network_.weights().state_dict();
  return model;
}

bool NativeLearner::is_finite() {
  const std::vector<LearnedTensor>& tensors = network_.weights().tensors();
  return std::all_of(tensors.begin(), tensors.end(),
                     [](const LearnedTensor& tensor) { return all_finite(tensor.value.span()); }) &&
         optimizer_.is_finite() && (!average_ || average_->is_finite());
}

void NativeLearner::save(StateDict& tensors) {
  for (const auto& [name, tensor] : network_.weights().state_dict()) tensors.add(checkpoint::kNetPrefix + name, tensor);
  optimizer_.save(tensors);
  if (average_) average_->save(tensors);
}

void NativeLearner::restore(const StateDict& tensors, std::int64_t steps, const std::string& where) {
  const std::string_view prefix = checkpoint::kNetPrefix;
  StateDict weights;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(prefix)) weights.add(name.substr(prefix.size()), tensor);
  }
  check_weights(network_.graph(), weights, where);
  network_.weights().load(weights);
  network_.weights_changed();
  optimizer_.restore(tensors, where);
  optimizer_.set_steps(steps);
  if (average_) average_->restore(tensors, where);
}

}  // namespace resnet
