#include "train/torch/torch_learner.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/thread_pool.h"
#include "weights/checkpoint.h"

namespace resnet {
namespace {

ResNet make_network(const Task& task, const Device& device, const std::vector<std::string>& frozen) {
  ResNet net(task.graph.architecture);
  load_state_dict(net, task.weights);
  move_to(net, device);
  auto tensors = net->named_parameters();
  for (const Parameter& parameter : parameters(task.graph)) {
    const std::string part = part_of(task.graph.nodes[parameter.node]);
    const bool learns = std::find(frozen.begin(), frozen.end(), part) == frozen.end();
    if (parameter.learned) tensors[parameter.name].set_requires_grad(learns);
  }
  return net;
}

torch::Tensor labels_on(const std::vector<std::int64_t>& labels, const Device& device) {
  return torch::tensor(labels, torch::kLong).to(device.device);
}

// Sets the threads that torch computes with, before the first operation.
const Task& with_threads(const Task& task) {
  // Torch itself knows the processors, and OMP_NUM_THREADS, but no control groups.
  torch::set_num_threads(task.threads > 0 ? task.threads : std::min(torch::get_num_threads(), available_processors()));
  return task;
}

}  // namespace

TorchLearner::TorchLearner(const Task& task, TorchProcesses& processes)
    : processes_(processes),
      recipe_(with_threads(task).recipe),
      device_(Device::parse(recipe_.device, recipe_.precision)),
      frozen_(frozen_parts(recipe_, task.graph)),
      net_(make_network(task, device_, frozen_)),
      optimizer_(net_, recipe_),
      scale_(device_),
      one_picture_suffices_(least_values_of_norms(task) > 1) {
  if (recipe_.ema > 0) average_.emplace(net_, recipe_.ema);
  if (!recipe_.class_weights.empty()) {
    class_weights_ = torch::tensor(recipe_.class_weights, torch::kFloat).to(device_.device);
  }
  for (const Node& node : task.graph.nodes) blocks_ += node.op == Op::kAdd ? 1 : 0;
  if (!processes_.several()) return;
  if (!device_.device.is_cpu()) {
    fail(ErrorCode::kUnsupported, "device", "several processes train on CPUs; CUDA takes one process");
  }
  net_->set_sum_across([this](torch::Tensor& sums) { processes_.sum(sums); });
}

// Batch norms of frozen parts keep their statistics.
void TorchLearner::set_training() {
  net_->train();
  if (frozen_.empty()) return;
  auto modules = net_->named_modules("", /*include_self=*/false);
  for (const Node& node : net_->graph().nodes) {
    if (node.op != Op::kBatchNorm) continue;
    if (std::find(frozen_.begin(), frozen_.end(), part_of(node)) != frozen_.end()) modules[node.path]->eval();
  }
}

// A row a block, drawn for the batch of all processes, whose images stand in the order of their ranks. Undefined where
// no block is left out.
torch::Tensor TorchLearner::block_scale(std::int64_t images, std::int64_t number) const {
  const std::int64_t first = processes_.rank() * (recipe_.batch / processes_.size());
  const std::vector<float> scale = draw_block_scale(recipe_, blocks_, first, images, number);
  if (scale.empty()) return {};
  return torch::tensor(scale, torch::kFloat).view({blocks_, images}).to(device_.device);
}

// Its mean over the processes is the mean over all pictures; with class weights the weighted mean, as torch takes it,
// which there is none of where all weights are 0.
torch::Tensor TorchLearner::loss(const torch::Tensor& logits, const torch::Tensor& labels, const Batch& batch) {
  const auto cross_entropy = [&](at::Reduction::Reduction reduction) {
    return torch::cross_entropy_loss(logits, labels, class_weights_, reduction, -100, recipe_.label_smoothing);
  };
  const bool weighted = class_weights_.defined();
  const bool equal_parts = recipe_.bad_images == Recipe::BadImages::kFail || !processes_.several();
  if (!weighted && equal_parts) return cross_entropy(at::Reduction::Mean);
  const double own =
      weighted ? class_weights_.index_select(0, labels).sum().item<double>() : static_cast<double>(labels.numel());
  const double all = processes_.sum(own);
  if (all == 0) {
    fail(
        ErrorCode::kInvalidArgument, recipe_.place("class_weights"),
        "all pictures of batch {} of epoch {} are of classes whose weight is 0: nothing can be learned from it; larger "
        "batches or weights above 0 help",
        batch.number + 1, batch.epoch + 1);
  }
  return processes_.several() ? cross_entropy(at::Reduction::Sum) * (processes_.size() / all)
                              : cross_entropy(at::Reduction::Mean);
}

BatchResult TorchLearner::learn(const Batch& batch, std::int64_t number) {
  if (recipe_.bad_images == Recipe::BadImages::kSkip) {
    const bool too_few = batch.size == 0 || (batch.size == 1 && !processes_.several() && !one_picture_suffices_);
    if (processes_.any(too_few)) return {};
  }
  set_training();
  const auto images = static_cast<std::int64_t>(batch.size);
  const torch::Tensor labels = labels_on(batch.labels, device_);
  torch::Tensor logits;
  {
    const Autocast autocast(device_);
    logits = net_->forward(pixels_on(batch, device_), block_scale(images, number)).to(torch::kFloat);
  }
  torch::Tensor total = loss(logits, labels, batch);
  if (!batch.other_labels.empty()) {
    total = total * batch.weight + loss(logits, labels_on(batch.other_labels, device_), batch) * (1 - batch.weight);
  }
  const double right = (logits.detach().argmax(1) == labels).sum().item<double>();
  const torch::Tensor sums = torch::tensor({total.item<double>(), right, static_cast<double>(images)}, torch::kDouble);
  processes_.sum(sums);
  const double* sum = sums.const_data_ptr<double>();
  const BatchResult result{sum[0] / processes_.size(), static_cast<std::int64_t>(sum[1]),
                           static_cast<std::int64_t>(sum[2])};
  if (!std::isfinite(result.loss)) return result;
  if ((number + 1) % recipe_.accumulate == 0) {
    processes_.reduce_next_backward(optimizer_.learned());
    reduced_ = true;
  }
  (total * (scale_.value() / static_cast<double>(recipe_.accumulate))).backward();
  return result;
}

// For a step whose last batch was passed over.
void TorchLearner::reduce_gradients() {
  if (reduced_ || !processes_.several()) return;
  for (torch::Tensor& parameter : optimizer_.learned()) {
    torch::Tensor& gradient = parameter.mutable_grad();
    if (!gradient.defined()) continue;
    processes_.sum(gradient);
    gradient.div_(processes_.size());
  }
}

void TorchLearner::step(double lr) {
  reduce_gradients();
  reduced_ = false;
  const bool scaled = device_.precision == Recipe::Precision::kFp16;
  bool take = true;
  if (scaled || recipe_.clip > 0) {
    const double length = optimizer_.clip_gradients(recipe_.clip, scale_.value());
    take = scale_.update(std::isfinite(length));
  }
  if (take) {
    optimizer_.step(lr);
  } else {
    optimizer_.set_steps(optimizer_.steps() + 1);  // the schedule goes on
  }
  optimizer_.zero_gradients();
  if (average_) average_->update(optimizer_.steps());
}

std::optional<Score> TorchLearner::evaluate(Loader& loader, bool averaged,
                                            const std::function<bool(const Batch&)>& go_on) {
  const torch::NoGradGuard no_grad;
  if (averaged) average_->swap();
  net_->eval();
  Score score;
  bool stopped = false;
  loader.start(0);
  while (auto batch = loader.next()) {
    if (!go_on(*batch)) {
      stopped = true;
      break;
    }
    if (batch->size == 0) continue;
    torch::Tensor logits;
    {
      const Autocast autocast(device_);
      logits = net_->forward(pixels_on(*batch, device_)).to(torch::kFloat);
    }
    const torch::Tensor labels = labels_on(batch->labels, device_);
    const auto top = std::get<1>(logits.topk(std::min<std::int64_t>(5, logits.size(1)), 1));
    const torch::Tensor hits = top == labels.unsqueeze(1);
    score.right1 += hits.select(1, 0).sum().item<std::int64_t>();
    score.right5 += hits.sum().item<std::int64_t>();
    score.loss += torch::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum).item<double>();
    score.images += static_cast<std::int64_t>(batch->size);
  }
  if (averaged) average_->swap();
  if (processes_.any(stopped)) return std::nullopt;
  const torch::Tensor sums = torch::tensor({score.loss, static_cast<double>(score.right1),
                                            static_cast<double>(score.right5), static_cast<double>(score.images)},
                                           torch::kDouble);
  processes_.sum(sums);
  const double* sum = sums.const_data_ptr<double>();
  score = {sum[0], static_cast<std::int64_t>(sum[1]), static_cast<std::int64_t>(sum[2]),
           static_cast<std::int64_t>(sum[3])};
  if (score.images > 0) score.loss /= static_cast<double>(score.images);
  return score;
}

Model TorchLearner::model(bool averaged) {
  if (averaged) average_->swap();
  Model result = to_model(net_);
  if (averaged) average_->swap();
  return result;
}

bool TorchLearner::is_finite() {
  const torch::NoGradGuard no_grad;
  const auto finite = [](const std::vector<torch::Tensor>& values) {
    return std::all_of(values.begin(), values.end(),
                       [](const torch::Tensor& value) { return torch::isfinite(value).all().item<bool>(); });
  };
  return finite(net_->parameters()) && finite(net_->buffers()) && finite(optimizer_.state()) &&
         (!average_ || finite(average_->values()));
}

void TorchLearner::save(StateDict& tensors) {
  for (const auto& [name, tensor] : state_dict(net_)) tensors.add(checkpoint::kNetPrefix + name, tensor);
  optimizer_.save(tensors);
  if (average_) average_->save(tensors);
}

void TorchLearner::restore(const StateDict& tensors, std::int64_t steps, const std::string& where) {
  StateDict weights;
  for (const auto& [name, tensor] : tensors) {
    if (name.starts_with(checkpoint::kNetPrefix)) {
      weights.add(name.substr(std::string_view(checkpoint::kNetPrefix).size()), tensor);
    }
  }
  check_weights(net_->graph(), weights, where);
  load_state_dict(net_, weights);
  optimizer_.restore(tensors, where);
  optimizer_.set_steps(steps);
  if (average_) average_->restore(tensors, where);
}

void TorchLearner::share(std::int64_t steps) {
  const torch::NoGradGuard no_grad;
  processes_.broadcast(net_->parameters());
  processes_.broadcast(net_->buffers());
  processes_.broadcast(optimizer_.state());
  if (average_) processes_.broadcast(average_->values());
  optimizer_.set_steps(steps);
}

}  // namespace resnet
