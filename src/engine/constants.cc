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

// A layer to be packed.
struct Layer {
  const ConstantsRequest* request;
  const Tensor* stored;  // out x in / groups x kernel x kernel
  ScaleShift sums;
  std::byte* place;

  float* bias() const { return reinterpret_cast<float*>(place + weight_bytes(*request)); }
};

// Output channels of a layer, which one thread packs.
struct LayerPart {
  const Layer* layer;
  int begin, end;
};

// Cuts layers into parts of about kBytes of float32, so that threads have as much to do as each other, little memory is
// taken on the way: what is read of a file for a part is gone behind it.
void cut(const Layer& layer, std::vector<LayerPart>& parts) {
  constexpr std::int64_t kBytes = 1 << 18;
  const ConvShape& shape = layer.request->shape;
  const std::int64_t unit = layer.request->algorithm->pack_unit(shape);
  const std::int64_t unit_bytes = unit * (layer.stored->count() / shape.out_channels) * std::int64_t{sizeof(float)};
  const std::int64_t step = unit * std::max<std::int64_t>(1, kBytes / unit_bytes);
  for (std::int64_t begin = 0; begin < shape.out_channels; begin += step) {
    const std::int64_t end = std::min<std::int64_t>(begin + step, shape.out_channels);
    parts.push_back({&layer, static_cast<int>(begin), static_cast<int>(end)});
  }
}

// A layer computed in floating point: scales become part of the weights. `codes` are the part's, and change.
void pack_floats(const LayerPart& part, std::span<float> codes) {
  const ConstantsRequest& request = *part.layer->request;
  const ScaleShift& sums = part.layer->sums;
  const std::size_t row = codes.size() / static_cast<std::size_t>(part.end - part.begin);
  for (int c = part.begin; c < part.end; ++c) {
    const std::size_t at = static_cast<std::size_t>(c - part.begin) * row;
    for (std::size_t i = at; i < at + row; ++i) codes[i] = static_cast<float>(codes[i] * sums.scale[c]);
    part.layer->bias()[c] = static_cast<float>(sums.shift[c]);
  }
  request.algorithm->pack(request.shape, part.begin, part.end, codes.data(), part.layer->place);
}

// A layer computed in int8. With x = s_x (q_x - z_x), and so on for the output y and the residual r,
//   y = scale * sum(w x) + shift + r   becomes   q_y = m * sum(w q_x) + b + q_r * s_r / s_y,   where
//   m = scale * s_x / s_y   and   b = z_y + shift / s_y - m * z_x * sum(w) - z_r * s_r / s_y.
void pack_numbers(const LayerPart& part, std::span<float> codes) {
  const ConstantsRequest& request = *part.layer->request;
  const ScaleShift& sums = part.layer->sums;
  const std::size_t row = codes.size() / static_cast<std::size_t>(part.end - part.begin);
  const ValueFormat& in = request.step.in;
  const ValueFormat& out = request.step.out;
  const ValueFormat& residual = request.step.residual_format;
  float* bias = part.layer->bias();
  float* scale = bias + padded_channels(request.shape.out_channels);
  const double shortcut = request.shape.residual ? static_cast<double>(residual.zero_point) * residual.scale : 0;
  for (int c = part.begin; c < part.end; ++c) {
    const float* own = codes.data() + static_cast<std::size_t>(c - part.begin) * row;
    const double sum = std::accumulate(own, own + row, 0.0);
    const double factor = sums.scale[c] * in.scale;
    scale[c] = static_cast<float>(factor / out.scale);
    bias[c] =
        static_cast<float>(out.zero_point + (sums.shift[c] - factor * in.zero_point * sum - shortcut) / out.scale);
  }
  request.algorithm->pack(request.shape, part.begin, part.end, codes.data(), part.layer->place);
}

// Biases and scales of the channels that are padding: what gives the format's zero.
void fill_padding(const Layer& layer) {
  const ConstantsRequest& request = *layer.request;
  const int channels = request.shape.out_channels;
  const int padded = padded_channels(channels);
  const bool numbers = request.shape.in_type == ValueType::kU8;
  float* bias = layer.bias();
  std::fill(bias + channels, bias + padded, numbers ? static_cast<float>(request.step.out.zero_point) : 0.0F);
  if (numbers) std::fill(bias + padded + channels, bias + 2 * padded, 0.0F);
}

void pack(const LayerPart& part) {
  Tensor codes = part.layer->stored->rows(part.begin, part.end).copy().to_f32();
  const bool numbers = part.layer->request->shape.in_type == ValueType::kU8;
  (numbers ? pack_numbers : pack_floats)(part, codes.mutable_f32());
}

void pack_all(const std::vector<LayerPart>& parts, ThreadPool& team) {
  std::exception_ptr error;
  std::mutex error_mutex;
  team.run(static_cast<int>(parts.size()), [&](int task, int) {
    try {
      pack(parts[task]);
    } catch (...) {  // out of memory, in a thread that must not throw
      const std::lock_guard lock(error_mutex);
      error = std::current_exception();
    }
  });
  if (error) std::rethrow_exception(error);
}

}  // namespace

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

StepConstants scale_shift_constants(const ScaleShift& norm) {
  const auto channels = static_cast<std::size_t>(padded_channels(static_cast<int>(norm.scale.size())));
  const auto memory = std::make_shared<AlignedBuffer<float>>(2 * channels, true);
  std::copy(norm.scale.begin(), norm.scale.end(), memory->data());
  std::copy(norm.shift.begin(), norm.shift.end(), memory->data() + channels);
  return {memory->data(), memory->data() + channels, nullptr, memory};
}

Constants::Constants(const Graph& graph, const StateDict& weights) : graph_(graph) {
  check(graph, weights);
  // All but the layers' weights are read now: they are small, stay in memory, and tell another file from this one.
  const auto add = [this](const std::string& name, const Tensor& tensor) {
    if (tensor.shape().size() < 2) tensor.bytes();
    weights_.add(name, tensor);
  };
  for (const QuantizationTensor& tensor : quantization_tensors(graph)) {
    if (const Tensor* found = weights.find(tensor.name)) add(tensor.name, *found);
  }
  for (const Parameter& parameter : parameters(graph)) {
    if (parameter.dtype == DType::kF32) add(parameter.name, weights.at(parameter.name));
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
  std::vector<Layer> layers;
  layers.reserve(missing.size());
  std::vector<LayerPart> parts;
  for (std::size_t i = 0; i < missing.size(); ++i) {
    const Step& step = missing[i]->step;
    const Layer& layer =
        layers.emplace_back(Layer{missing[i], &weights_.at(graph_.nodes[step.node].path + ".weight"),
                                  scale_shift_of_sums(graph_, weights_, step), memory->data() + offsets[i]});
    fill_padding(layer);
    cut(layer, parts);
  }
  pack_all(parts, team);
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
