#include "onnx/proto_writer.h"

namespace resnet {
namespace {

void declare(onnx::ValueInfoProto& value, const std::string& name, const std::vector<std::int64_t>& sizes) {
  value.set_name(name);
  onnx::TypeProto::Tensor& type = *value.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::FLOAT);
  type.mutable_shape()->add_dim()->set_dim_param("batch");
  for (const std::int64_t size : sizes) type.mutable_shape()->add_dim()->set_dim_value(size);
}

onnx::AttributeProto& attribute(onnx::NodeProto& node, const char* name, onnx::AttributeProto::AttributeType type) {
  onnx::AttributeProto& result = *node.add_attribute();
  result.set_name(name);
  result.set_type(type);
  return result;
}

}  // namespace

void ProtoWriter::input(const std::string& name, const std::vector<std::int64_t>& sizes) {
  declare(*graph_.add_input(), name, sizes);
}

void ProtoWriter::output(const std::string& name, const std::vector<std::int64_t>& sizes) {
  declare(*graph_.add_output(), name, sizes);
}

std::string ProtoWriter::initializer(const std::string& name, onnx::TensorProto::DataType type, const Shape& shape,
                                     std::span<const std::byte> bytes) {
  onnx::TensorProto& tensor = *graph_.add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(type);
  tensor.mutable_dims()->Add(shape.begin(), shape.end());
  tensor.set_raw_data(bytes.data(), bytes.size());  // little endian, row-major
  return name;
}

std::string ProtoWriter::floats(const std::string& name, const Tensor& tensor) {
  initializer(name, onnx::TensorProto::FLOAT, tensor.shape(), tensor.in_memory().to_f32().bytes());
  return name;
}

std::string ProtoWriter::floats(const std::string& name, std::span<const float> values, const Shape& shape) {
  return initializer(name, onnx::TensorProto::FLOAT, shape, std::as_bytes(values));
}

std::string ProtoWriter::integers(const std::string& name, const std::vector<std::int64_t>& values) {
  return initializer(name, onnx::TensorProto::INT64, {static_cast<std::int64_t>(values.size())},
                     std::as_bytes(std::span(values)));
}

std::string ProtoWriter::int32s(const std::string& name, std::span<const std::int32_t> values) {
  return initializer(name, onnx::TensorProto::INT32, {static_cast<std::int64_t>(values.size())}, std::as_bytes(values));
}

std::string ProtoWriter::int8s(const std::string& name, std::span<const std::int8_t> values, const Shape& shape) {
  return initializer(name, onnx::TensorProto::INT8, shape, std::as_bytes(values));
}

std::string ProtoWriter::uint8(const std::string& name, std::uint8_t value) {
  return initializer(name, onnx::TensorProto::UINT8, {}, std::as_bytes(std::span(&value, 1)));
}

onnx::NodeProto& ProtoWriter::node(const char* op, const std::string& name, const std::vector<std::string>& inputs) {
  onnx::NodeProto& node = *graph_.add_node();
  node.set_op_type(op);
  node.set_name(name);
  for (const std::string& input : inputs) node.add_input(input);
  node.add_output(name);
  return node;
}

void ProtoWriter::set(onnx::NodeProto& node, const char* name, std::int64_t value) {
  attribute(node, name, onnx::AttributeProto::INT).set_i(value);
}

void ProtoWriter::set(onnx::NodeProto& node, const char* name, float value) {
  attribute(node, name, onnx::AttributeProto::FLOAT).set_f(value);
}

void ProtoWriter::set(onnx::NodeProto& node, const char* name, const std::vector<std::int64_t>& values) {
  attribute(node, name, onnx::AttributeProto::INTS).mutable_ints()->Add(values.begin(), values.end());
}

void ProtoWriter::set_text(onnx::NodeProto& node, const char* name, const char* text) {
  attribute(node, name, onnx::AttributeProto::STRING).set_s(text);
}

void ProtoWriter::set_window(onnx::NodeProto& proto, const Node& node) {
  set(proto, "kernel_shape", {node.kernel, node.kernel});
  set(proto, "strides", {node.stride, node.stride});
  set(proto, "pads", {node.padding, node.padding, node.padding, node.padding});
}

}  // namespace resnet
