#include "learn/weights.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "program/check_weights.h"
#include "program/quantized.h"

namespace resnet {

LearnedWeights::LearnedWeights(const Graph& graph, const StateDict& weights,
                               const std::function<bool(const Node&)>& learns)
    : graph_(graph) {
  for (const Parameter& parameter : parameters(graph)) {
    const Node& node = graph.nodes[static_cast<std::size_t>(parameter.node)];
    if (parameter.dtype != DType::kF32) {
      counters_.push_back({parameter.name, tensors_.size(), learns(node), 0});
      continue;
    }
    LearnedTensor& tensor = tensors_.emplace_back();
    tensor.name = parameter.name;
    tensor.shape = parameter.shape;
    tensor.node = parameter.node;
    tensor.learns = parameter.learned && learns(node);
    const auto count = static_cast<std::size_t>(element_count(parameter.shape));
    tensor.value = AlignedBuffer<float>(count);
    if (tensor.learns) tensor.gradient = AlignedBuffer<float>(count, /*zeroed=*/true);
  }
  load(weights);
}

LearnedTensor* LearnedWeights::find(int node, std::string_view part) noexcept {
  const auto found = std::find_if(tensors_.begin(), tensors_.end(), [&](const LearnedTensor& tensor) {
    return tensor.node == node && std::string_view(tensor.name).substr(tensor.name.rfind('.') + 1) == part;
  });
  return found == tensors_.end() ? nullptr : &*found;
}

StateDict LearnedWeights::state_dict() const {
  StateDict result;
  result.reserve(tensors_.size() + counters_.size());
  std::size_t next = 0;
  const auto add_counters = [&](std::size_t before) {
    for (; next < counters_.size() && counters_[next].before == before; ++next) {
      const Counter& counter = counters_[next];
      const std::int64_t value = counter.value + (counter.learns ? batches_ : 0);
      result.add(counter.name, Tensor::from(std::span(&value, 1), {}));
    }
  };
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    add_counters(i);
    result.add(tensors_[i].name, Tensor::from(tensors_[i].value.span(), tensors_[i].shape));
  }
  add_counters(tensors_.size());
  return result;
}

void LearnedWeights::load(const StateDict& weights) {
  if (is_quantized(graph_, weights))
    fail(ErrorCode::kUnsupported, "state dict", "the network is int8, which has no gradients");
  Mismatches mismatches;
  compare_weights(graph_, weights, mismatches);
  mismatches.report("state dict", graph_.architecture);
  for (LearnedTensor& tensor : tensors_) {
    const Tensor values = weights.at(tensor.name).to_f32();
    std::copy(values.f32().begin(), values.f32().end(), tensor.value.data());
  }
  for (Counter& counter : counters_) {
    counter.value = 0;
    const Tensor* stored = weights.find(counter.name);
    if (stored == nullptr || stored->dtype() != DType::kI64) continue;
    std::memcpy(&counter.value, stored->bytes().data(), sizeof(counter.value));
  }
  batches_ = 0;
}

}  // namespace resnet
