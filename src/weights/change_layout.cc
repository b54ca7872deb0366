#include "weights/change_layout.h"

#include <cstring>

#include "base/error.h"
#include "resnet/graph.h"
#include "weights/tensor_names.h"

namespace resnet {
namespace {

std::vector<double> to_f64(const Tensor& tensor) {
  std::vector<double> values(static_cast<std::size_t>(tensor.count()));
  if (tensor.dtype() == DType::kF64) {
    const std::span<const std::byte> bytes = tensor.bytes();
    std::memcpy(values.data(), bytes.data(), bytes.size());
  } else {
    const Tensor converted = tensor.to_f32();
    std::copy(converted.f32().begin(), converted.f32().end(), values.begin());
  }
  return values;
}

// mean - bias; exact in double for float32 values of like size, then rounded once.
Tensor subtract(const Tensor& mean, const Tensor& bias) {
  auto values = std::make_shared<std::vector<double>>(to_f64(mean));
  const std::vector<double> biases = to_f64(bias);
  for (std::size_t i = 0; i < values->size(); ++i) (*values)[i] -= biases[i];
  if (mean.dtype() == DType::kF64 || bias.dtype() == DType::kF64) {
    return Tensor::view(DType::kF64, mean.shape(), std::as_bytes(std::span(*values)), values);
  }
  const std::vector<float> rounded(values->begin(), values->end());
  return Tensor::from(rounded, mean.shape());
}

}  // namespace

Model change_layout(const Model& model, Layout layout) {
  Architecture target = model.architecture;
  target.conv_bias = false;  // that of the torchvision layout; with_layout gives the tutorial's its biases
  target = with_layout(target, layout);

  StateDict by_name = model.weights;
  by_name.rename(torchvision_name);
  const Graph graph = expand(target);
  Model result = model;
  result.architecture = target;
  result.weights = {};
  for (const Parameter& parameter : parameters(graph)) {
    const Node& node = graph.nodes[parameter.node];
    const Tensor* tensor = by_name.find(torchvision_name(parameter.name));
    if (tensor == nullptr) {  // only a bias can be new
      const Tensor& weight = by_name.at(torchvision_name(node.path + ".weight"));
      result.weights.add(parameter.name, Tensor::zeros(weight.dtype(), parameter.shape));
      continue;
    }
    const Tensor* bias = nullptr;
    if (node.op == Op::kBatchNorm && parameter.name.ends_with(".running_mean") && !target.conv_bias) {
      bias = by_name.find(torchvision_name(graph.nodes[node.inputs[0]].path + ".bias"));
    }
    result.weights.add(parameter.name, bias == nullptr ? *tensor : subtract(*tensor, *bias));
  }
  return result;
}

}  // namespace resnet
