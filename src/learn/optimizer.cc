#include "learn/optimizer.h"

#include <cmath>

#include "learn/stored.h"

namespace resnet {
namespace {

constexpr std::size_t kChunkSize = 1 << 16;  // values

}  // namespace

LearnedOptimizer::LearnedOptimizer(LearnedWeights& weights, ThreadPool& team, const OptimizerOptions& options,
                                   const std::function<TensorRate(const LearnedTensor&)>& rate)
    : options_(options), team_(team) {
  for (LearnedTensor& tensor : weights.tensors()) {
    if (!tensor.learns) continue;
    const TensorRate own = rate(tensor);
    const std::size_t count = tensor.value.size();
    Parameter& p = parameters_.emplace_back();
    p.tensor = &tensor;
    p.rate = own;
    p.decay = own.decays ? options.weight_decay : 0;
    p.first = AlignedBuffer<float>(count, /*zeroed=*/true);
    if (options.kind != OptimizerOptions::Kind::kSgd) p.second = AlignedBuffer<float>(count, /*zeroed=*/true);
    for (std::size_t begin = 0; begin < count; begin += kChunkSize) {
      chunks_.push_back({parameters_.size() - 1, begin, std::min(begin + kChunkSize, count)});
    }
  }
}

template <typename Work>
void LearnedOptimizer::for_each_chunk(Work work) {
  // Small tensors are many: a task is a run of chunks.
  const int tasks = std::min(static_cast<int>(chunks_.size()), 4 * team_.threads());
  team_.run(tasks, [&](int task, int) {
    const std::size_t count = chunks_.size();
    const auto of = static_cast<std::size_t>(tasks);
    for (std::size_t i = count * static_cast<std::size_t>(task) / of;
         i < count * static_cast<std::size_t>(task + 1) / of; ++i) {
      work(parameters_[chunks_[i].parameter], chunks_[i]);
    }
  });
}

void LearnedOptimizer::step(double lr) {
  ++steps_;
  if (options_.kind == OptimizerOptions::Kind::kSgd) {
    return for_each_chunk([&](Parameter& p, Chunk& chunk) { sgd(p, chunk, lr * p.rate.lr_factor); });
  }
  for_each_chunk([&](Parameter& p, Chunk& chunk) { adam(p, chunk); });
  std::vector<double> trusts(parameters_.size(), 1);
  if (options_.kind == OptimizerOptions::Kind::kLamb) {
    for (std::size_t i = 0; i < trusts.size(); ++i) trusts[i] = trust(i);
  }
  for_each_chunk(
      [&](Parameter& p, Chunk& chunk) { finish_adam(p, chunk, lr * p.rate.lr_factor, trusts[chunk.parameter]); });
}

// Sutskever et al. 2013 in the form of torch.optim.SGD: the buffer is momentum * buffer + gradient.
void LearnedOptimizer::sgd(Parameter& p, const Chunk& chunk, double lr) const {
  float* value = p.tensor->value.data();
  const float* gradient = p.tensor->gradient.data();
  float* first = p.first.data();
  const auto rate = static_cast<float>(lr), decay = static_cast<float>(p.decay),
             momentum = static_cast<float>(options_.momentum);
  for (std::size_t i = chunk.begin; i < chunk.end; ++i) {
    float g = gradient[i] + decay * value[i];
    if (momentum != 0) {
      first[i] = momentum * first[i] + g;
      g = options_.nesterov ? g + momentum * first[i] : first[i];
    }
    value[i] -= rate * g;
  }
}

// AdamW: Loshchilov and Hutter 2017 (arXiv:1711.05101), algorithm 2. LAMB: You et al. 2019 (arXiv:1904.00962),
// algorithm 2; like its authors' code, parameters that weight decay leaves out take AdamW's step. The change that the
// step is made of stands in the gradient's place, as LAMB needs its length.
void LearnedOptimizer::adam(Parameter& p, Chunk& chunk) const {
  const bool lamb = options_.kind == OptimizerOptions::Kind::kLamb && p.rate.decays;
  const float* value = p.tensor->value.data();
  float* gradient = p.tensor->gradient.data();
  const auto beta2 = static_cast<float>(options_.beta2), rest1 = static_cast<float>(1 - options_.beta1),
             rest2 = static_cast<float>(1 - options_.beta2), epsilon = static_cast<float>(options_.epsilon),
             decay = static_cast<float>(p.decay);
  const auto correction1 = static_cast<float>(1 - std::pow(options_.beta1, static_cast<double>(steps_)));
  const auto correction2 = static_cast<float>(std::sqrt(1 - std::pow(options_.beta2, static_cast<double>(steps_))));
  chunk.squares = chunk.change = 0;
  for (std::size_t i = chunk.begin; i < chunk.end; ++i) {
    const float g = gradient[i];
    p.first[i] += rest1 * (g - p.first[i]);
    p.second[i] = beta2 * p.second[i] + rest2 * g * g;
    const float deviation = std::sqrt(p.second[i]) / correction2 + epsilon;
    gradient[i] = p.first[i] / deviation / correction1;
    if (!lamb) continue;
    gradient[i] += decay * value[i];
    chunk.squares += static_cast<double>(value[i]) * value[i];
    chunk.change += static_cast<double>(gradient[i]) * gradient[i];
  }
}

double LearnedOptimizer::trust(std::size_t parameter) const {
  if (!parameters_[parameter].rate.decays) return 1;
  double squares = 0, change = 0;
  for (const Chunk& chunk : chunks_) {
    if (chunk.parameter == parameter) squares += chunk.squares, change += chunk.change;
  }
  return squares > 0 && change > 0 ? std::sqrt(squares / change) : 1;
}

void LearnedOptimizer::finish_adam(Parameter& p, const Chunk& chunk, double lr, double trust) const {
  const bool lamb = options_.kind == OptimizerOptions::Kind::kLamb && p.rate.decays;
  float* value = p.tensor->value.data();
  const float* change = p.tensor->gradient.data();
  const auto rate = static_cast<float>(lr * trust);
  const auto kept = static_cast<float>(lamb ? 1 : 1 - lr * p.decay);
  for (std::size_t i = chunk.begin; i < chunk.end; ++i) value[i] = value[i] * kept - rate * change[i];
}

void LearnedOptimizer::zero_gradients() {
  for_each_chunk([](Parameter& p, Chunk& chunk) {
    std::fill(p.tensor->gradient.data() + chunk.begin, p.tensor->gradient.data() + chunk.end, 0.0F);
  });
}

double LearnedOptimizer::clip_gradients(double longest) {
  for_each_chunk([](Parameter& p, Chunk& chunk) {
    chunk.squares = 0;
    for (std::size_t i = chunk.begin; i < chunk.end; ++i) {
      chunk.squares += static_cast<double>(p.tensor->gradient[i]) * p.tensor->gradient[i];
    }
  });
  double sum = 0;
  for (const Chunk& chunk : chunks_) sum += chunk.squares;
  const double length = std::sqrt(sum);
  if (longest > 0 && length > longest) {
    const auto factor = static_cast<float>(longest / (length + 1e-6));  // torch's epsilon
    for_each_chunk([&](Parameter& p, Chunk& chunk) {
      for (std::size_t i = chunk.begin; i < chunk.end; ++i) p.tensor->gradient[i] *= factor;
    });
  }
  return length;
}

void LearnedOptimizer::save(StateDict& tensors) const {
  for (const Parameter& p : parameters_) {
    tensors.add("first." + p.tensor->name, Tensor::from(p.first.span(), p.tensor->shape));
    if (!p.second.empty()) tensors.add("second." + p.tensor->name, Tensor::from(p.second.span(), p.tensor->shape));
  }
}

void LearnedOptimizer::restore(const StateDict& tensors, const std::string& where) {
  for (Parameter& p : parameters_) {
    restore_values(tensors, "first." + p.tensor->name, p.tensor->shape, p.first.span(), where);
    if (!p.second.empty()) {
      restore_values(tensors, "second." + p.tensor->name, p.tensor->shape, p.second.span(), where);
    }
  }
}

bool LearnedOptimizer::is_finite() const {
  return std::all_of(parameters_.begin(), parameters_.end(),
                     [](const Parameter& p) { return all_finite(p.first.span()) && all_finite(p.second.span()); });
}

LearnedAverage::LearnedAverage(LearnedWeights& weights, double decay) : weights_(weights), decay_(decay) {
  for (const LearnedTensor& tensor : weights.tensors()) {
    AlignedBuffer<float>& average = averages_.emplace_back(tensor.value.size());
    std::copy_n(tensor.value.data(), tensor.value.size(), average.data());
  }
}

void LearnedAverage::update(std::int64_t step) {
  const auto n = static_cast<double>(step);
  const double rest = 1 - std::min(decay_, (1 + n) / (10 + n));
  for (std::size_t t = 0; t < averages_.size(); ++t) {
    const float* value = weights_.tensors()[t].value.data();
    float* average = averages_[t].data();
    for (std::size_t i = 0; i < averages_[t].size(); ++i) {
      const float difference = value[i] - average[i];  // torch.lerp, which is exact at both ends
      average[i] = rest < 0.5 ? average[i] + static_cast<float>(rest) * difference
                              : value[i] - difference * static_cast<float>(1 - rest);
    }
  }
}

StateDict LearnedAverage::state_dict() const {
  StateDict result = weights_.state_dict();
  for (std::size_t t = 0; t < averages_.size(); ++t) {
    const LearnedTensor& tensor = weights_.tensors()[t];
    result.set(tensor.name, Tensor::from(averages_[t].span(), tensor.shape));
  }
  return result;
}

void LearnedAverage::save(StateDict& tensors) const {
  for (std::size_t t = 0; t < averages_.size(); ++t) {
    const LearnedTensor& tensor = weights_.tensors()[t];
    tensors.add("ema." + tensor.name, Tensor::from(averages_[t].span(), tensor.shape));
  }
}

void LearnedAverage::restore(const StateDict& tensors, const std::string& where) {
  for (std::size_t t = 0; t < averages_.size(); ++t) {
    const LearnedTensor& tensor = weights_.tensors()[t];
    restore_values(tensors, "ema." + tensor.name, tensor.shape, averages_[t].span(), where);
  }
}

bool LearnedAverage::is_finite() const {
  return std::all_of(averages_.begin(), averages_.end(),
                     [](const AlignedBuffer<float>& values) { return all_finite(values.span()); });
}

}  // namespace resnet
