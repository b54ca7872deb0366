// Shapes, parameters and counts of a graph.
#include "resnet/graph.h"

#include <algorithm>

#include "base/error.h"

namespace resnet {
namespace {

constexpr std::int64_t kMaxSize = 65'535;

std::int64_t window_output(const Node& node, std::int64_t size) {
  const std::int64_t span = node.dilation * (node.kernel - 1) + 1;
  const std::int64_t room = size + 2 * node.padding - span;
  if (node.ceil_mode) {
    // Every window starts inside the picture.
    return room < 0 ? (size > 0 ? 1 : 0) : (room + node.stride - 1) / node.stride + 1;
  }
  return room < 0 ? 0 : room / node.stride + 1;
}

FeatureShape output_shape(const Node& node, const FeatureShape& in) {
  FeatureShape out = in;
  out.channels = node.out_channels;
  switch (node.op) {
    case Op::kConv:
    case Op::kMaxPool:
    case Op::kAveragePool:
      out.height = window_output(node, in.height);
      out.width = window_output(node, in.width);
      break;
    case Op::kPadShortcut:
      out.height = (in.height + node.stride - 1) / node.stride;
      out.width = (in.width + node.stride - 1) / node.stride;
      break;
    case Op::kGlobalAveragePool: out.height = out.width = 1; break;
    default: break;
  }
  return out;
}

// Adds the node's MACs, and at least one for each value, to the sum; false where that does not fit.
bool count_operations(const Node& node, const FeatureShape& output, std::int64_t& sum) {
  std::int64_t count = std::max<std::int64_t>(macs(node, {1, 1, 1, 1}), 1);
  bool fits = true;
  for (const std::int64_t size : {output.batch, output.channels, output.height, output.width}) {
    fits = fits && !__builtin_mul_overflow(count, size, &count);
  }
  return fits && !__builtin_add_overflow(sum, count, &sum);
}

}  // namespace

std::string_view name(Op op) noexcept {
  constexpr std::array<std::string_view, 11> kNames = {
      "input",        "conv", "batch_norm",          "relu",    "max_pool", "average_pool",
      "pad_shortcut", "add",  "global_average_pool", "flatten", "linear"};
  return kNames[static_cast<std::size_t>(op)];
}

std::vector<FeatureShape> infer_shapes(const Graph& graph, const FeatureShape& input) {
  if (input.channels != graph.nodes[0].out_channels) {
    fail(ErrorCode::kMismatch, "input", "the network takes {} channels, not {}", graph.nodes[0].out_channels,
         input.channels);
  }
  if (input.batch < 1 || input.height < 1 || input.width < 1) {
    fail(ErrorCode::kInvalidArgument, "input", "batch, height and width must be at least 1");
  }
  if (input.batch > kMaxSize || input.height > kMaxSize || input.width > kMaxSize) {
    fail(ErrorCode::kInvalidArgument, "input", "batch, height and width must be at most {}", kMaxSize);
  }
  std::vector<FeatureShape> shapes(graph.nodes.size());
  shapes[0] = input;
  std::int64_t operations = 0;
  for (std::size_t i = 1; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    shapes[i] = output_shape(node, shapes[node.inputs[0]]);
    if (shapes[i].height < 1 || shapes[i].width < 1) {
      fail(ErrorCode::kInvalidArgument, "input", "{}x{} is too small: nothing is left after {}", input.height,
           input.width, node.path);
    }
    if (!count_operations(node, shapes[i], operations)) {
      fail(ErrorCode::kLimit, "input", "{}x{}x{}x{} is too large: the operations cannot be counted in 63 bits",
           input.batch, input.channels, input.height, input.width);
    }
  }
  return shapes;
}

std::vector<Parameter> parameters(const Graph& graph) {
  std::vector<Parameter> result;
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    const auto add = [&](const char* name, Shape shape, bool learned = true, DType type = DType::kF32) {
      result.push_back({node.path + name, std::move(shape), type, learned, static_cast<int>(i)});
    };
    switch (node.op) {
      case Op::kConv:
        add(".weight", {node.out_channels, node.in_channels / node.groups, node.kernel, node.kernel});
        if (node.bias) add(".bias", {node.out_channels});
        break;
      case Op::kBatchNorm:
        add(".weight", {node.out_channels});
        add(".bias", {node.out_channels});
        add(".running_mean", {node.out_channels}, false);
        add(".running_var", {node.out_channels}, false);
        add(".num_batches_tracked", {}, false, DType::kI64);
        break;
      case Op::kLinear:
        add(".weight", {node.out_channels, node.in_channels});
        if (node.bias) add(".bias", {node.out_channels});
        break;
      default: break;
    }
  }
  return result;
}

std::int64_t parameter_count(const Graph& graph) {
  std::int64_t count = 0;
  for (const Parameter& parameter : parameters(graph)) {
    if (parameter.learned) count += element_count(parameter.shape);
  }
  return count;
}

std::int64_t macs(const Node& node, const FeatureShape& output) noexcept {
  switch (node.op) {
    case Op::kConv: return output.count() * (node.in_channels / node.groups) * node.kernel * node.kernel;
    case Op::kLinear: return output.count() * node.in_channels;
    default: return 0;
  }
}

}  // namespace resnet
