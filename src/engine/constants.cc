#include "engine/constants.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <numeric>

#include "arch/quantized.h"
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
    const std::string& path = graph.nodes[parameter.node].path;
    if (parameter.name == path + ".weight" && is_quantized(weights, path) && !weights.contains(path + kWeightScale)) {
      fail(ErrorCode::kMismatch, "tensor '" + path + kWeightScale + "'", "is not there");
    }
  }
  for (const QuantizationTensor& tensor : quantization_tensors(graph)) {
    if (!weights.contains(tensor.name)) continue;
    const std::string problem = quantization_problem(tensor, weights);
    if (!problem.empty()) fail(ErrorCode::kMismatch, "tensor '" + tensor.name + "'", "{}", problem);
  }
}

// Biases, then scales.
std::size_t floats_of(const ConstantsRequest& request) {
  const bool scales = request.shape.in_type == ValueType::kU8;
  return static_cast<std::size_t>(padded_channels(request.shape.out_channels)) * (scales ? 2 : 1);
}

// Rounded up, so that what follows is aligned too.
std::size_t weight_bytes(const ConstantsRequest& request) {
  return (request.algorithm->packed_bytes(request.shape) + kAlignment - 1) / kAlignment * kAlignment;
}

StepConstants constants_at(std::byte* place, const ConstantsRequest& request,
                           std::shared_ptr<const void> owner = nullptr) {
  const auto* floats = reinterpret_cast<const float*>(place + weight_bytes(request));
  const bool scales = request.shape.in_type == ValueType::kU8;
  return {place, floats, scales ? floats + padded_channels(request.shape.out_channels) : nullptr, std::move(owner)};
}

// Per output channel, what is done to sums of a layer's inputs times its weights as they are stored: its own bias, its
// batch norm, and the scale of int8 weights. scale * (w x + b) + shift = (scale * w) x + (scale * b + shift).
ScaleShift scale_shift_of_sums(const Graph& graph, const StateDict& weights, const Step& step) {
  const Node& node = graph.nodes[step.node];
  const auto channels = static_cast<std::size_t>(node.out_channels);
  ScaleShift sums{std::vector<double>(channels, 1.0), std::vector<double>(channels, 0.0)};
  if (node.bias) {
    const Tensor values = weights.at(node.path + ".bias").to_f32();
    std::copy(values.f32().begin(), values.f32().end(), sums.shift.begin());
  }
  if (step.batch_norm >= 0) {
    const ScaleShift norm = batch_norm(weights, graph.nodes[step.batch_norm].path);
    for (std::size_t c = 0; c < channels; ++c) {
      sums.scale[c] = norm.scale[c];
      sums.shift[c] = sums.shift[c] * norm.scale[c] + norm.shift[c];
    }
  }
  if (is_quantized(weights, node.path)) {
    const Tensor scales = weights.at(node.path + kWeightScale).to_f32();
    for (std::size_t c = 0; c < channels; ++c) sums.scale[c] *= scales.f32()[c];
  }
  return sums;
}

// A layer computed in floating point: scales become part of the weights.
void pack_floats(const ConstantsRequest& request, const Tensor& stored, const ScaleShift& sums, std::byte* place) {
  const std::size_t channels = sums.scale.size();
  const std::size_t row = stored.f32().size() / channels;
  AlignedBuffer<float> scaled(stored.f32().size());
  for (std::size_t c = 0; c < channels; ++c) {
    const float* in = stored.f32().data() + c * row;
    for (std::size_t i = 0; i < row; ++i) scaled[c * row + i] = static_cast<float>(in[i] * sums.scale[c]);
  }
  request.algorithm->pack(request.shape, scaled.data(), place);
  auto* bias = reinterpret_cast<float*>(place + weight_bytes(request));
  std::fill(std::copy(sums.shift.begin(), sums.shift.end(), bias), bias + floats_of(request), 0.0F);
}

// A layer computed in int8. With x = s_x (q_x - z_x), and so on for the output y and the residual r,
//   y = scale * sum(w x) + shift + r   becomes   q_y = m * sum(w q_x) + b + q_r * s_r / s_y,   where
//   m = scale * s_x / s_y   and   b = z_y + shift / s_y - m * z_x * sum(w) - z_r * s_r / s_y.
void pack_numbers(const ConstantsRequest& request, const Tensor& stored, const ScaleShift& sums, std::byte* place) {
  const std::size_t channels = sums.scale.size();
  const std::size_t row = stored.f32().size() / channels;
  const ValueFormat& in = request.step.in;
  const ValueFormat& out = request.step.out;
  const ValueFormat& residual = request.step.residual_format;
  request.algorithm->pack(request.shape, stored.f32().data(), place);
  auto* bias = reinterpret_cast<float*>(place + weight_bytes(request));
  float* scale = bias + padded_channels(request.shape.out_channels);
  std::fill(bias, scale, static_cast<float>(out.zero_point));  // of padding: zero
  std::fill(scale, bias + floats_of(request), 0.0F);
  const double shortcut = request.shape.residual ? static_cast<double>(residual.zero_point) * residual.scale : 0;
  for (std::size_t c = 0; c < channels; ++c) {
    const float* codes = stored.f32().data() + c * row;
    const double sum = std::accumulate(codes, codes + row, 0.0);
    const double factor = sums.scale[c] * in.scale;
    scale[c] = static_cast<float>(factor / out.scale);
    bias[c] =
        static_cast<float>(out.zero_point + (sums.shift[c] - factor * in.zero_point * sum - shortcut) / out.scale);
  }
}

void pack_layer(const Graph& graph, const StateDict& weights, const ConstantsRequest& request, std::byte* place) {
  const Tensor& original = weights.at(graph.nodes[request.step.node].path + ".weight");
  const ScaleShift sums = scale_shift_of_sums(graph, weights, request.step);
  const bool numbers = request.shape.in_type == ValueType::kU8;
  (numbers ? pack_numbers : pack_floats)(request, original.to_f32(), sums, place);
  original.release();
}

}  // namespace

StepConstants scale_shift_constants(const ScaleShift& norm) {
  const auto channels = static_cast<std::size_t>(padded_channels(static_cast<int>(norm.scale.size())));
  const auto memory = std::make_shared<AlignedBuffer<float>>(2 * channels, true);
  std::copy(norm.scale.begin(), norm.scale.end(), memory->data());
  std::copy(norm.shift.begin(), norm.shift.end(), memory->data() + channels);
  return {memory->data(), memory->data() + channels, nullptr, memory};
}

Constants::Constants(const Graph& graph, const StateDict& weights) : graph_(graph) {
  check(graph, weights);
  for (const QuantizationTensor& tensor : quantization_tensors(graph)) {
    if (const Tensor* found = weights.find(tensor.name)) weights_.add(tensor.name, *found);
  }
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
    bytes += weight_bytes(request) + floats_of(request) * sizeof(float);
  }
  const auto memory = std::make_shared<AlignedBuffer<std::byte>>(bytes);
  std::exception_ptr error;
  std::mutex error_mutex;
  team.run(static_cast<int>(missing.size()), [&](int task, int) {
    try {
      pack_layer(graph_, weights_, *missing[task], memory->data() + offsets[task]);
    } catch (...) {  // out of memory, in a thread that must not throw
      const std::lock_guard lock(error_mutex);
      error = std::current_exception();
    }
  });
  if (error) std::rethrow_exception(error);

  for (std::size_t i = 0; i < missing.size(); ++i) {
    made_[{missing[i]->step.node, missing[i]->algorithm}] =
        constants_at(memory->data() + offsets[i], *missing[i], memory);
  }
  bytes_ += static_cast<std::int64_t>(bytes);
  std::vector<StepConstants> result;
  result.reserve(requests.size());
  for (const ConstantsRequest& request : requests) result.push_back(made_.at({request.step.node, request.algorithm}));
  return result;
}

}  // namespace resnet
