#include "engine/constants.h"

#include <algorithm>
#include <exception>
#include <mutex>

#include "base/buffer.h"
#include "base/error.h"
#include "engine/batch_norm.h"

namespace resnet {
namespace {

void check(const Graph& graph, const StateDict& weights) {
  for (const Parameter& parameter : parameters(graph)) {
    if (parameter.dtype != DType::kF32) continue;  // num_batches_tracked
    const Tensor* tensor = weights.find(parameter.name);
    const std::string where = "tensor '" + parameter.name + "'";
    if (tensor == nullptr) fail(ErrorCode::kMismatch, where, "is not there");
    if (tensor->shape() != parameter.shape) {
      fail(ErrorCode::kMismatch, where, "expected {}, got {}", to_string(parameter.shape), to_string(tensor->shape()));
    }
  }
}

std::size_t bias_bytes(const ConstantsRequest& request) {
  return static_cast<std::size_t>(padded_channels(request.shape.out_channels)) * sizeof(float);
}

// Rounded up, so that what follows is aligned too.
std::size_t weight_bytes(const ConstantsRequest& request) {
  return (request.algorithm->packed_bytes(request.shape) + kAlignment - 1) / kAlignment * kAlignment;
}

// A convolution's weights and bias, the batch norm's scale and shift taken in:
// scale * (w x + b) + shift = (scale * w) x + (scale * b + shift).
void pack_conv(const Graph& graph, const StateDict& weights, const ConstantsRequest& request, void* packed,
               std::span<float> bias) {
  const Node& node = graph.nodes[request.step.node];
  const auto channels = static_cast<std::size_t>(node.out_channels);
  const Tensor& original = weights.at(node.path + ".weight");
  const Tensor source = original.to_f32();
  std::vector<double> sums(channels, 0.0);
  if (node.bias) {
    const Tensor values = weights.at(node.path + ".bias").to_f32();
    std::copy(values.f32().begin(), values.f32().end(), sums.begin());
  }
  if (request.step.batch_norm < 0) {
    request.algorithm->pack(request.shape, source.f32().data(), packed);
  } else {
    const ScaleShift norm = batch_norm(weights, graph.nodes[request.step.batch_norm].path);
    const std::size_t row = source.f32().size() / channels;
    AlignedBuffer<float> scaled(source.f32().size());
    for (std::size_t c = 0; c < channels; ++c) {
      const float* in = source.f32().data() + c * row;
      for (std::size_t i = 0; i < row; ++i) scaled[c * row + i] = static_cast<float>(in[i] * norm.scale[c]);
      sums[c] = sums[c] * norm.scale[c] + norm.shift[c];
    }
    request.algorithm->pack(request.shape, scaled.data(), packed);
  }
  std::fill(std::copy(sums.begin(), sums.end(), bias.begin()), bias.end(), 0.0F);
  original.release();
}

}  // namespace

StepConstants scale_shift_constants(const ScaleShift& norm) {
  const auto channels = static_cast<std::size_t>(padded_channels(static_cast<int>(norm.scale.size())));
  const auto memory = std::make_shared<AlignedBuffer<float>>(2 * channels, true);
  std::copy(norm.scale.begin(), norm.scale.end(), memory->data());
  std::copy(norm.shift.begin(), norm.shift.end(), memory->data() + channels);
  return {memory->data(), memory->data() + channels, memory};
}

Constants::Constants(const Graph& graph, const StateDict& weights) : graph_(graph) {
  check(graph, weights);
  for (const Parameter& parameter : parameters(graph)) {
    if (parameter.dtype == DType::kF32) weights_.add(parameter.name, weights.at(parameter.name));
  }
}

StepConstants Constants::of_batch_norm(const std::string& path) const {
  return scale_shift_constants(batch_norm(weights_, path));
}

std::vector<StepConstants> Constants::get(const std::vector<ConstantsRequest>& requests, ThreadPool& team) {
  std::vector<const ConstantsRequest*> missing;
  std::vector<std::size_t> offsets;
  std::size_t bytes = 0;
  for (const ConstantsRequest& request : requests) {
    if (made_.contains({request.step.node, request.algorithm})) continue;
    missing.push_back(&request);
    offsets.push_back(bytes);
    bytes += weight_bytes(request) + bias_bytes(request);
  }
  const auto memory = std::make_shared<AlignedBuffer<std::byte>>(bytes);
  std::exception_ptr error;
  std::mutex error_mutex;
  team.run(static_cast<int>(missing.size()), [&](int task, int) {
    try {
      const ConstantsRequest& request = *missing[task];
      std::byte* place = memory->data() + offsets[task];
      auto* bias = reinterpret_cast<float*>(place + weight_bytes(request));
      pack_conv(graph_, weights_, request, place, {bias, bias_bytes(request) / sizeof(float)});
    } catch (...) {  // out of memory, in a thread that must not throw
      const std::lock_guard lock(error_mutex);
      error = std::current_exception();
    }
  });
  if (error) std::rethrow_exception(error);

  for (std::size_t i = 0; i < missing.size(); ++i) {
    std::byte* place = memory->data() + offsets[i];
    const auto* bias = reinterpret_cast<const float*>(place + weight_bytes(*missing[i]));
    made_[{missing[i]->step.node, missing[i]->algorithm}] = {place, bias, memory};
  }
  bytes_ += static_cast<std::int64_t>(bytes);
  std::vector<StepConstants> result;
  result.reserve(requests.size());
  for (const ConstantsRequest& request : requests) result.push_back(made_.at({request.step.node, request.algorithm}));
  return result;
}

}  // namespace resnet
