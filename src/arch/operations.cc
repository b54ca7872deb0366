#include "arch/operations.h"

namespace resnet {
namespace {

// --- shapes

FeatureShape same(const Node&, const FeatureShape& in) { return in; }

FeatureShape channels(const Node& node, const FeatureShape& in) {
  FeatureShape out = in;
  out.channels = node.out_channels;
  return out;
}

FeatureShape one_pixel(const Node& node, const FeatureShape& in) { return {in.batch, node.out_channels, 1, 1}; }

std::int64_t window_output(const Node& node, std::int64_t size) {
  const std::int64_t span = node.dilation * (node.kernel - 1) + 1;
  const std::int64_t room = size + 2 * node.padding - span;
  const std::int64_t reach = node.ceil_mode ? room + node.stride - 1 : room;  // of the last window's beginning
  if (reach < 0) return 0;
  const std::int64_t count = reach / node.stride + 1;
  // Every window starts inside the picture or the padding before it.
  return (count - 1) * node.stride >= size + node.padding ? count - 1 : count;
}

FeatureShape window(const Node& node, const FeatureShape& in) {
  return {in.batch, node.out_channels, window_output(node, in.height), window_output(node, in.width)};
}

// No picture is reflected farther than it reaches.
FeatureShape reflected_window(const Node& node, const FeatureShape& in) {
  FeatureShape out = window(node, in);
  if (in.height <= node.padding) out.height = 0;
  if (in.width <= node.padding) out.width = 0;
  return out;
}

FeatureShape every_stride(const Node& node, const FeatureShape& in) {
  const auto count = [&](std::int64_t size) { return (size + node.stride - 1) / node.stride; };
  return {in.batch, node.out_channels, count(in.height), count(in.width)};
}

// --- parameters

using Parameters = std::vector<Parameter>;

Parameters none(const Node&) { return {}; }

Parameters weight_and_bias(const Node& node, Shape weight) {
  Parameters result = {{".weight", std::move(weight)}};
  if (node.bias) result.push_back({".bias", {node.out_channels}});
  return result;
}

Parameters of_conv(const Node& node) {
  return weight_and_bias(node, {node.out_channels, node.in_channels / node.groups, node.kernel, node.kernel});
}

Parameters of_linear(const Node& node) { return weight_and_bias(node, {node.out_channels, node.in_channels}); }

Parameters of_batch_norm(const Node& node) {
  const Shape each = {node.out_channels};
  return {{".weight", each},
          {".bias", each},
          {".running_mean", each, DType::kF32, false},
          {".running_var", each, DType::kF32, false},
          {".num_batches_tracked", {}, DType::kI64, false}};
}

// --- multiply-adds

std::int64_t no_macs(const Node&) noexcept { return 0; }

std::int64_t conv_macs(const Node& node) noexcept {
  return std::int64_t{node.in_channels / node.groups} * node.kernel * node.kernel;
}

std::int64_t linear_macs(const Node& node) noexcept { return node.in_channels; }

}  // namespace

OperationInfo info(Op op) noexcept {
  constexpr bool kLayer = true;
  constexpr bool kFlat = true;
  switch (op) {
    case Op::kInput: return {"input", !kLayer, !kFlat, same, none, no_macs};
    case Op::kConv: return {"conv", kLayer, !kFlat, window, of_conv, conv_macs};
    case Op::kBatchNorm: return {"batch_norm", !kLayer, !kFlat, same, of_batch_norm, no_macs};
    case Op::kActivation: return {"activation", !kLayer, !kFlat, same, none, no_macs};
    case Op::kMaxPool: return {"max_pool", !kLayer, !kFlat, window, none, no_macs};
    case Op::kAveragePool: return {"average_pool", !kLayer, !kFlat, window, none, no_macs};
    case Op::kBlur: return {"blur", !kLayer, !kFlat, reflected_window, none, no_macs};
    case Op::kPadShortcut: return {"pad_shortcut", !kLayer, !kFlat, every_stride, none, no_macs};
    case Op::kAdd: return {"add", !kLayer, !kFlat, same, none, no_macs};
    case Op::kGlobalAveragePool: return {"global_average_pool", !kLayer, !kFlat, one_pixel, none, no_macs};
    case Op::kGlobalMaxPool: return {"global_max_pool", !kLayer, !kFlat, one_pixel, none, no_macs};
    case Op::kConcat: return {"concat", !kLayer, !kFlat, channels, none, no_macs};
    case Op::kFlatten: return {"flatten", !kLayer, kFlat, same, none, no_macs};
    case Op::kLinear: return {"linear", kLayer, kFlat, channels, of_linear, linear_macs};
  }
  return {};  // not one of them
}

bool gives_flat(const Graph& graph, std::size_t node) {
  const Node* at = &graph.nodes[node];
  while (at->op == Op::kActivation || at->op == Op::kBatchNorm) at = &graph.nodes[at->inputs[0]];
  return info(at->op).is_flat;
}

}  // namespace resnet
