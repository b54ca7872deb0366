#include "engine/constants.h"

#include <algorithm>
#include <exception>
#include <mutex>
#include <numeric>

#include "base/buffer.h"
#include "program/check_weights.h"
#include "program/quantized.h"
#include "tensor/convert.h"

namespace resnet {
namespace {

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
void pack_quantized(const LayerPart& part, std::span<float> codes) {
  const ConstantsRequest& request = *part.layer->request;
  const ScaleShift& sums = part.layer->sums;
  const std::size_t row = codes.size() / static_cast<std::size_t>(part.end - part.begin);
  const ValueFormat& in = request.operation.input.format;
  const ValueFormat& out = request.operation.output.format;
  const ValueFormat& residual = request.operation.residual.format;
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
  const bool quantized = request.shape.in_type == ValueType::kU8;
  float* bias = layer.bias();
  std::fill(bias + channels, bias + padded,
            quantized ? static_cast<float>(request.operation.output.format.zero_point) : 0.0F);
  if (quantized) std::fill(bias + padded + channels, bias + 2 * padded, 0.0F);
}

// Memory of a thread for one part after another: fresh memory for each would cost as much again.
class Scratch {
 public:
  // The part's weights as they are stored, as float32.
  std::span<float> read(const LayerPart& part) {
    const Tensor stored = part.layer->stored->rows(part.begin, part.end);
    const auto count = static_cast<std::size_t>(stored.count());
    if (floats_.size() < count) floats_ = AlignedBuffer<float>(count);
    const std::span<float> floats = floats_.span().first(count);
    if (stored.dtype() == DType::kF32) {
      stored.read(0, std::as_writable_bytes(floats));
      return floats;
    }
    if (bytes_.size() < stored.nbytes()) bytes_ = AlignedBuffer<std::byte>(stored.nbytes());
    const std::span<std::byte> bytes = bytes_.span().first(stored.nbytes());
    stored.read(0, bytes);
    convert_to_f32(stored.dtype(), bytes, floats);
    return floats;
  }

 private:
  AlignedBuffer<float> floats_;
  AlignedBuffer<std::byte> bytes_;
};

void pack_all(const std::vector<LayerPart>& parts, ThreadPool& team) {
  std::exception_ptr error;
  std::mutex error_mutex;
  std::vector<Scratch> scratch(static_cast<std::size_t>(team.threads()));
  team.run(static_cast<int>(parts.size()), [&](int task, int worker) {
    const LayerPart& part = parts[task];
    const bool quantized = part.layer->request->shape.in_type == ValueType::kU8;
    try {
      (quantized ? pack_quantized : pack_floats)(part, scratch[worker].read(part));
    } catch (...) {  // out of memory, in a thread that must not throw
      const std::lock_guard lock(error_mutex);
      error = std::current_exception();
    }
  });
  if (error) std::rethrow_exception(error);
}

}  // namespace

StepConstants scale_shift_constants(const ScaleShift& norm) {
  const auto channels = static_cast<std::size_t>(padded_channels(static_cast<int>(norm.scale.size())));
  const auto memory = std::make_shared<AlignedBuffer<float>>(2 * channels, true);
  std::copy(norm.scale.begin(), norm.scale.end(), memory->data());
  std::copy(norm.shift.begin(), norm.shift.end(), memory->data() + channels);
  return {memory->data(), memory->data() + channels, nullptr, memory};
}

void require_weights(const Graph& graph, const StateDict& weights) {
  Mismatches mismatches;
  compare_weights(graph, weights, mismatches);
  mismatches.report("weights", graph.architecture);
}

Constants::Constants(const Program& program, const StateDict& weights) : program_(program) {
  // All but the layers' weights are read now: they are small, stay in memory, and tell another file from this one.
  const auto add = [this](const std::string& name, const Tensor& tensor) {
    if (tensor.shape().size() < 2) tensor.bytes();
    weights_.add(name, tensor);
  };
  for (const QuantizationTensor& tensor : quantization_tensors(program.graph)) {
    if (const Tensor* found = weights.find(tensor.name)) add(tensor.name, *found);
  }
  for (const Parameter& parameter : parameters(program.graph)) {
    if (parameter.dtype == DType::kF32) add(parameter.name, weights.at(parameter.name));
  }
}

StepConstants Constants::of_batch_norm(const Node& node) const {
  return scale_shift_constants(batch_norm(weights_, node));
}

std::vector<StepConstants> Constants::get(const std::vector<ConstantsRequest>& requests, ThreadPool& team) {
  const std::lock_guard lock(packing_);
  std::vector<const ConstantsRequest*> missing;
  std::vector<std::size_t> offsets;
  std::size_t bytes = 0;
  for (const ConstantsRequest& request : requests) {
    if (made_.contains({request.operation.node, request.algorithm})) continue;
    missing.push_back(&request);
    offsets.push_back(bytes);
    bytes += weight_bytes(request) + floats_of(request) * sizeof(float);
  }
  const auto memory = std::make_shared<AlignedBuffer<std::byte>>(bytes);
  std::vector<Layer> layers;
  layers.reserve(missing.size());
  std::vector<LayerPart> parts;
  for (std::size_t i = 0; i < missing.size(); ++i) {
    const Operation& operation = missing[i]->operation;
    const Layer& layer =
        layers.emplace_back(Layer{missing[i], &weights_.at(program_.node(operation).path + ".weight"),
                                  scale_shift_of_sums(program_, weights_, operation), memory->data() + offsets[i]});
    fill_padding(layer);
    cut(layer, parts);
  }
  pack_all(parts, team);
  for (std::size_t i = 0; i < missing.size(); ++i) {
    made_[{missing[i]->operation.node, missing[i]->algorithm}] =
        constants_at(memory->data() + offsets[i], *missing[i], memory);
  }
  bytes_ += static_cast<std::int64_t>(bytes);
  std::vector<StepConstants> result;
  result.reserve(requests.size());
  for (const ConstantsRequest& request : requests)
    result.push_back(made_.at({request.operation.node, request.algorithm}));
  return result;
}

}  // namespace resnet
