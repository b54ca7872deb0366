// Shapes, parameters and counts of a graph, from the table of operations.
#include "resnet/graph.h"

#include <algorithm>

#include "arch/describe.h"
#include "arch/operations.h"
#include "base/error.h"

namespace resnet {
namespace {

constexpr std::int64_t kMaxSize = 65'535;

// Adds the node's MACs, and at least one for each value, to the sum; false where that does not fit.
bool count_operations(const Node& node, const FeatureShape& output, std::int64_t& sum) {
  std::int64_t count = std::max<std::int64_t>(info(node.op).macs_per_value(node), 1);
  bool fits = true;
  for (const std::int64_t size : {output.batch, output.channels, output.height, output.width}) {
    fits = fits && !__builtin_mul_overflow(count, size, &count);
  }
  return fits && !__builtin_add_overflow(sum, count, &sum);
}

// An addition takes values of one size. Where windows round down on one way and up on the other, not every picture
// comes out even.
void check_sizes(const Node& node, const std::vector<FeatureShape>& shapes) {
  const FeatureShape& first = shapes[node.inputs[0]];
  for (const int input : node.inputs) {
    const FeatureShape& other = shapes[input];
    if (first.height == other.height && first.width == other.width) continue;
    fail(ErrorCode::kInvalidArgument, "input",
         "{}x{} does not come out even: {} would add {}x{} pixels to {}x{}; take a height and width that the strides "
         "divide",
         shapes[0].height, shapes[0].width, label(node), other.height, other.width, first.height, first.width);
  }
}

}  // namespace

std::string_view name(Op op) noexcept { return info(op).name; }

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
    check_sizes(node, shapes);
    shapes[i] = info(node.op).output(node, shapes[node.inputs[0]]);
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
    for (Parameter& parameter : info(node.op).parameters(node)) {
      parameter.name.insert(0, node.path);
      parameter.node = static_cast<int>(i);
      result.push_back(std::move(parameter));
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
  return output.count() * info(node.op).macs_per_value(node);
}

}  // namespace resnet
