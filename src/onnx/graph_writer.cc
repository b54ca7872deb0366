#include "onnx/graph_writer.h"

#include <fmt/format.h>

#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "arch/describe.h"
#include "base/error.h"
#include "onnx/export.h"

namespace resnet {
namespace {

constexpr const char* kBatch = "batch";  // the name of the open dimension

class GraphWriter {
 public:
  GraphWriter(const Graph& graph, const StateDict& weights, onnx::GraphProto& out)
      : graph_(graph), weights_(weights), out_(out) {}

  void write(const FeatureShape& input) {
    out_.set_name(graph_.architecture.name);
    declare(*out_.add_input(), kOnnxInput, {input.channels, input.height, input.width});
    for (const Parameter& parameter : parameters(graph_)) {
      if (parameter.dtype == DType::kF32) add_floats(parameter.name, weights_.at(parameter.name));
    }
    values_.emplace_back(kOnnxInput);
    for (std::size_t i = 1; i < graph_.nodes.size(); ++i) write(graph_.nodes[i]);
    out_.mutable_node(out_.node_size() - 1)->set_output(0, kOnnxOutput);
    declare(*out_.add_output(), kOnnxOutput, {graph_.output().out_channels});
  }

 private:
  // --- the parts of an ONNX graph

  static void declare(onnx::ValueInfoProto& value, const char* name, std::initializer_list<std::int64_t> sizes) {
    value.set_name(name);
    onnx::TypeProto::Tensor& type = *value.mutable_type()->mutable_tensor_type();
    type.set_elem_type(onnx::TensorProto::FLOAT);
    type.mutable_shape()->add_dim()->set_dim_param(kBatch);
    for (const std::int64_t size : sizes) type.mutable_shape()->add_dim()->set_dim_value(size);
  }

  void add_initializer(const std::string& name, onnx::TensorProto::DataType type, const Shape& shape,
                       std::span<const std::byte> bytes) {
    onnx::TensorProto& tensor = *out_.add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(type);
    tensor.mutable_dims()->Add(shape.begin(), shape.end());
    tensor.set_raw_data(bytes.data(), bytes.size());  // little endian, as a Tensor's
  }

  void add_floats(const std::string& name, const Tensor& tensor) {
    add_initializer(name, onnx::TensorProto::FLOAT, tensor.shape(), tensor.to_f32().bytes());
    tensor.release();
  }

  // Returns the name.
  std::string add_integers(const std::string& name, const std::vector<std::int64_t>& values) {
    add_initializer(name, onnx::TensorProto::INT64, {static_cast<std::int64_t>(values.size())},
                    std::as_bytes(std::span(values)));
    return name;
  }

  onnx::NodeProto& add_node(const char* op, const std::string& name, const std::vector<std::string>& inputs) {
    onnx::NodeProto& node = *out_.add_node();
    node.set_op_type(op);
    node.set_name(name);
    for (const std::string& input : inputs) node.add_input(input);
    node.add_output(name);
    return node;
  }

  static onnx::AttributeProto& attribute(onnx::NodeProto& node, const char* name,
                                         onnx::AttributeProto::AttributeType type) {
    onnx::AttributeProto& result = *node.add_attribute();
    result.set_name(name);
    result.set_type(type);
    return result;
  }
  static void set(onnx::NodeProto& node, const char* name, std::int64_t value) {
    attribute(node, name, onnx::AttributeProto::INT).set_i(value);
  }
  static void set(onnx::NodeProto& node, const char* name, const std::vector<std::int64_t>& values) {
    attribute(node, name, onnx::AttributeProto::INTS).mutable_ints()->Add(values.begin(), values.end());
  }

  // A window is square and the same on every side.
  static void set_window(onnx::NodeProto& proto, const Node& node) {
    set(proto, "kernel_shape", {node.kernel, node.kernel});
    set(proto, "strides", {node.stride, node.stride});
    set(proto, "pads", {node.padding, node.padding, node.padding, node.padding});
  }

  // --- nodes of the network

  // A node and the value it gives have one name: the module's path, numbered where a module is used again.
  std::string name_of(const Node& node) {
    const std::string base = label(node);
    const int use = ++uses_[base];
    return use == 1 ? base : fmt::format("{}_{}", base, use);
  }

  void write(const Node& node) {
    const std::string name = name_of(node);
    std::vector<std::string> inputs;
    for (const int input : node.inputs) inputs.push_back(values_[static_cast<std::size_t>(input)]);
    switch (node.op) {
      case Op::kInput: RESNET_ASSERT(false); break;  // the first node alone
      case Op::kConv: write_conv(node, name, std::move(inputs)); break;
      case Op::kBatchNorm: write_batch_norm(node, name, std::move(inputs)); break;
      case Op::kRelu: add_node("Relu", name, inputs); break;
      case Op::kMaxPool: set_window(add_node("MaxPool", name, inputs), node); break;
      case Op::kAveragePool: {
        onnx::NodeProto& pool = add_node("AveragePool", name, inputs);
        set_window(pool, node);
        set(pool, "ceil_mode", node.ceil_mode ? 1 : 0);
        break;
      }
      case Op::kPadShortcut: write_pad_shortcut(node, name, std::move(inputs)); break;
      case Op::kAdd: add_node("Add", name, inputs); break;
      case Op::kGlobalAveragePool: add_node("GlobalAveragePool", name, inputs); break;
      case Op::kFlatten: add_node("Flatten", name, inputs); break;
      case Op::kLinear: write_linear(node, name, std::move(inputs)); break;
    }
    values_.push_back(name);
  }

  void write_conv(const Node& node, const std::string& name, std::vector<std::string> inputs) {
    inputs.push_back(node.path + ".weight");
    if (node.bias) inputs.push_back(node.path + ".bias");
    onnx::NodeProto& conv = add_node("Conv", name, inputs);
    set_window(conv, node);
    set(conv, "dilations", {node.dilation, node.dilation});
    set(conv, "group", node.groups);
  }

  void write_batch_norm(const Node& node, const std::string& name, std::vector<std::string> inputs) {
    for (const char* parameter : {".weight", ".bias", ".running_mean", ".running_var"}) {
      inputs.push_back(node.path + parameter);
    }
    onnx::NodeProto& norm = add_node("BatchNormalization", name, inputs);
    attribute(norm, "epsilon", onnx::AttributeProto::FLOAT).set_f(kBatchNormEpsilon);
  }

  // Option A: every stride-th pixel; zeros before and after the channels.
  void write_pad_shortcut(const Node& node, const std::string& name, std::vector<std::string> inputs) {
    if (node.stride > 1) {
      inputs.push_back(add_integers(name + ".starts", {0, 0}));
      inputs.push_back(add_integers(name + ".ends", {INT64_MAX, INT64_MAX}));
      inputs.push_back(add_integers(name + ".axes", {2, 3}));
      inputs.push_back(add_integers(name + ".steps", {node.stride, node.stride}));
      add_node("Slice", name + ".slice", inputs);
      inputs = {name + ".slice"};
    }
    const std::int64_t zeros = (node.out_channels - node.in_channels) / 2;
    inputs.push_back(add_integers(name + ".pads", {0, zeros, 0, 0, 0, zeros, 0, 0}));
    add_node("Pad", name, inputs);
  }

  void write_linear(const Node& node, const std::string& name, std::vector<std::string> inputs) {
    inputs.push_back(node.path + ".weight");
    if (node.bias) inputs.push_back(node.path + ".bias");
    set(add_node("Gemm", name, inputs), "transB", 1);
  }

  const Graph& graph_;
  const StateDict& weights_;
  onnx::GraphProto& out_;
  std::vector<std::string> values_;  // one per node
  std::map<std::string, int> uses_;
};

}  // namespace

void write_graph(const Graph& graph, const StateDict& weights, const FeatureShape& input, onnx::GraphProto& out) {
  GraphWriter(graph, weights, out).write(input);
}

}  // namespace resnet
