// The pieces of an ONNX graph: nodes with their attributes, initialisers, inputs and outputs.
#pragma once

#include <onnx_schema/onnx.pb.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "resnet/graph.h"
#include "resnet/tensor.h"

namespace resnet {

// Appends to a graph. Functions that write a node or an initialiser return its name, which is also that of its value.
class ProtoWriter {
 public:
  explicit ProtoWriter(onnx::GraphProto& graph) : graph_(graph) {}

  // float32 of the sizes given, after a first dimension that is left open.
  void input(const std::string& name, const std::vector<std::int64_t>& sizes);
  void output(const std::string& name, const std::vector<std::int64_t>& sizes);

  // The tensor in float32.
  std::string floats(const std::string& name, const Tensor& tensor);

  // Values of the type; a scalar where the shape is empty.
  std::string floats(const std::string& name, std::span<const float> values, const Shape& shape);
  std::string integers(const std::string& name, const std::vector<std::int64_t>& values);
  std::string int32s(const std::string& name, std::span<const std::int32_t> values);
  std::string int8s(const std::string& name, std::span<const std::int8_t> values, const Shape& shape);
  std::string uint8(const std::string& name, std::uint8_t value);

  onnx::NodeProto& node(const char* op, const std::string& name, const std::vector<std::string>& inputs);

  static void set(onnx::NodeProto& node, const char* name, std::int64_t value);
  static void set(onnx::NodeProto& node, const char* name, float value);
  static void set_text(onnx::NodeProto& node, const char* name, const char* text);
  static void set(onnx::NodeProto& node, const char* name, const std::vector<std::int64_t>& values);

  // Kernel, strides and pads of a window that is square and the same on every side.
  static void set_window(onnx::NodeProto& proto, const Node& node);

 private:
  std::string initializer(const std::string& name, onnx::TensorProto::DataType type, const Shape& shape,
                          std::span<const std::byte> bytes);

  onnx::GraphProto& graph_;
};

}  // namespace resnet
