#include "onnx/graph_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numbers>
#include <string>
#include <utility>

#include "arch/describe.h"
#include "arch/operations.h"
#include "base/error.h"
#include "onnx/proto_writer.h"
#include "program/scale_shift.h"
#include "resnet/onnx.h"

namespace resnet {
namespace {

using Names = std::vector<std::string>;

class GraphWriter {
 public:
  GraphWriter(const Program& program, const StateDict& weights, onnx::GraphProto& out)
      : program_(program), graph_(program.graph), weights_(weights), proto_(out), out_(out) {}

  void write(const FeatureShape& input) {
    out_.set_name(graph_.architecture.name);
    proto_.input(kOnnxInput, {input.channels, input.height, input.width});
    for (const Operation& operation : program_.operations) write(operation);
    out_.mutable_node(out_.node_size() - 1)->set_output(0, onnx_output(graph_.architecture));
    proto_.output(onnx_output(graph_.architecture), {graph_.output().out_channels});
  }

 private:
  const Node& node(int index) const { return graph_.nodes[static_cast<std::size_t>(index)]; }

  // A node and the value it gives have one name: the module's path, numbered where a module is used again.
  std::string unique(const std::string& base) {
    const int use = ++uses_[base];
    return use == 1 ? base : fmt::format("{}_{}", base, use);
  }

  // --- operations

  void write(const Operation& operation) {
    const ValueFormat& format = operation.output.format;
    std::string value;
    if (operation.converts) {  // quantized values have been written as floats too
      value = values_.at(operation.input.value);
    } else {
      value = computed(operation);
    }
    if (format.type == ValueType::kU8) value = rounded(value, format);
    values_[operation.output.value] = value;
  }

  // What the operation gives in floats.
  std::string computed(const Operation& operation) {
    if (operation.input.value < 0) return kOnnxInput;
    const Node& main = program_.node(operation);
    const bool quantized = operation.input.format.type == ValueType::kU8;
    const std::string& input = values_.at(operation.input.value);
    std::string value;
    switch (main.op) {
      case Op::kInput: break;  // reads nothing
      case Op::kConv: value = write_conv(operation, quantized); break;
      case Op::kLinear: value = write_linear(operation, quantized); break;
      case Op::kBatchNorm: value = write_batch_norm(main, input); break;
      case Op::kPadShortcut: value = write_pad_shortcut(main, input); break;
      case Op::kMaxPool:
      case Op::kAveragePool: value = write_pool(main, input); break;
      case Op::kBlur: value = write_blur(main, input); break;
      case Op::kAdd: value = write_simple("Add", label(main), {input, values_.at(operation.residual.value)}); break;
      case Op::kActivation: value = write_activation(main, input); break;
      case Op::kGlobalAveragePool: value = write_simple("GlobalAveragePool", label(main), {input}); break;
      case Op::kGlobalMaxPool: value = write_simple("GlobalMaxPool", label(main), {input}); break;
      case Op::kConcat: value = write_concat(main, input, values_.at(operation.residual.value)); break;
      case Op::kFlatten: value = write_simple("Flatten", label(main), {input}); break;
    }
    return write_epilogue(operation, quantized, value);
  }

  std::string write_epilogue(const Operation& operation, bool quantized, std::string value) {
    const Epilogue& epilogue = operation.epilogue;
    if (epilogue.norm >= 0 && !quantized) value = write_batch_norm(node(epilogue.norm), value);
    if (epilogue.add >= 0) {
      value = write_simple("Add", label(node(epilogue.add)), {value, values_.at(operation.residual.value)});
    }
    const Node* last = activation(program_, operation);
    return last == nullptr ? value : write_activation(*last, value);
  }

  // The opset has no SiLU, GELU and HardSwish: they are written as what they are made of.
  std::string write_activation(const Node& node, const std::string& value) {
    const std::string name = unique(label(node));
    switch (node.activation) {
      case Activation::kRelu: return proto_.node("Relu", name, {value}).name();
      case Activation::kLeakyRelu: {
        onnx::NodeProto& proto = proto_.node("LeakyRelu", name, {value});
        ProtoWriter::set(proto, "alpha", node.negative_slope);
        return proto.name();
      }
      case Activation::kRelu6:
        return proto_.node("Clip", name, {value, number(name + ".min", 0), number(name + ".max", 6)}).name();
      case Activation::kSilu: {
        const std::string share = proto_.node("Sigmoid", name + ".sigmoid", {value}).name();
        return proto_.node("Mul", name, {value, share}).name();
      }
      case Activation::kGelu: {  // x * (erf(x / sqrt 2) / 2 + 1 / 2)
        const std::string scaled = binary("Mul", name + ".scaled", value, std::numbers::sqrt2_v<float> / 2);
        const std::string erf = proto_.node("Erf", name + ".erf", {scaled}).name();
        const std::string half = binary("Mul", name + ".half", erf, 0.5F);
        return proto_.node("Mul", name, {value, binary("Add", name + ".share", half, 0.5F)}).name();
      }
      case Activation::kHardswish: {
        onnx::NodeProto& share = proto_.node("HardSigmoid", name + ".share", {value});
        ProtoWriter::set(share, "alpha", 1.0F / 6);
        ProtoWriter::set(share, "beta", 0.5F);
        const std::string factor = share.name();
        return proto_.node("Mul", name, {value, factor}).name();
      }
    }
    return value;
  }

  std::string number(const std::string& name, float value) { return proto_.floats(name, std::span(&value, 1), {}); }

  std::string binary(const char* op, const std::string& name, const std::string& value, float constant) {
    return proto_.node(op, name, {value, number(name + ".constant", constant)}).name();
  }

  // The value quantized to 8 bits, as floats again.
  std::string rounded(const std::string& value, const ValueFormat& format) {
    const Names how = {proto_.floats(value + ".scale", std::span(&format.scale, 1), {}),
                       proto_.uint8(value + ".zero_point", format.zero_point)};
    const std::string quantized = value + ".quantized";
    proto_.node("QuantizeLinear", quantized, {value, how[0], how[1]});
    return proto_.node("DequantizeLinear", value + ".dequantized", {quantized, how[0], how[1]}).name();
  }

  std::string write_simple(const char* op, const std::string& name, const Names& inputs) {
    return proto_.node(op, unique(name), inputs).name();
  }

  // --- operators

  std::string write_conv(const Operation& operation, bool quantized) {
    const Node& conv = program_.node(operation);
    Names inputs = {values_.at(operation.input.value)};
    add_weights(operation, quantized, inputs);
    onnx::NodeProto& proto = proto_.node("Conv", unique(label(conv)), inputs);
    ProtoWriter::set_window(proto, conv);
    ProtoWriter::set(proto, "dilations", {conv.dilation, conv.dilation});
    ProtoWriter::set(proto, "group", std::int64_t{conv.groups});
    return proto.name();
  }

  std::string write_linear(const Operation& operation, bool quantized) {
    const Node& linear = program_.node(operation);
    Names inputs = {values_.at(operation.input.value)};
    const int read = operation.input.value;
    const bool flat =
        read < static_cast<int>(graph_.nodes.size()) && gives_flat(graph_, static_cast<std::size_t>(read));
    if (!flat) inputs[0] = write_simple("Flatten", "flatten", inputs);
    add_weights(operation, quantized, inputs);
    onnx::NodeProto& proto = proto_.node("Gemm", unique(label(linear)), inputs);
    ProtoWriter::set(proto, "transB", std::int64_t{1});
    return proto.name();
  }

  std::string write_batch_norm(const Node& norm, const std::string& value) {
    Names inputs = {value};
    for (const char* parameter : {".weight", ".bias", ".running_mean", ".running_var"}) {
      inputs.push_back(proto_.floats(norm.path + parameter, weights_.at(norm.path + parameter)));
    }
    onnx::NodeProto& proto = proto_.node("BatchNormalization", unique(label(norm)), inputs);
    ProtoWriter::set(proto, "epsilon", norm.epsilon);
    return proto.name();
  }

  std::string write_pool(const Node& pool, const std::string& value) {
    const bool average = pool.op == Op::kAveragePool;
    onnx::NodeProto& proto = proto_.node(average ? "AveragePool" : "MaxPool", unique(label(pool)), {value});
    ProtoWriter::set_window(proto, pool);
    if (average || pool.ceil_mode) ProtoWriter::set(proto, "ceil_mode", std::int64_t{pool.ceil_mode});
    return proto.name();
  }

  std::string write_concat(const Node& concat, const std::string& first, const std::string& second) {
    onnx::NodeProto& proto = proto_.node("Concat", unique(label(concat)), {first, second});
    ProtoWriter::set(proto, "axis", std::int64_t{1});
    return proto.name();
  }

  std::string write_blur(const Node& blur, const std::string& value) {
    constexpr float kWeights[] = {0.25F, 0.5F, 0.25F};
    const std::string name = unique(label(blur));
    const std::int64_t edge = blur.padding;
    const Names read = {value, proto_.integers(name + ".pads", {0, 0, edge, edge, 0, 0, edge, edge})};
    onnx::NodeProto& pad = proto_.node("Pad", name + ".padded", read);
    ProtoWriter::set_text(pad, "mode", "reflect");
    const std::string padded = pad.name();
    std::vector<float> weights;
    for (int i = 0; i < 9 * blur.out_channels; ++i) weights.push_back(kWeights[i % 9 / 3] * kWeights[i % 3]);
    const std::string filter = proto_.floats(name + ".weight", weights, {blur.out_channels, 1, 3, 3});
    onnx::NodeProto& proto = proto_.node("Conv", name, {padded, filter});
    ProtoWriter::set(proto, "strides", {blur.stride, blur.stride});
    ProtoWriter::set(proto, "group", std::int64_t{blur.out_channels});
    return proto.name();
  }

  // Option A: every stride-th pixel; zeros before and after the channels.
  std::string write_pad_shortcut(const Node& shortcut, std::string value) {
    const std::string name = unique(label(shortcut));
    if (shortcut.stride > 1) {
      const Names inputs = {value, proto_.integers(name + ".starts", {0, 0}),
                            proto_.integers(name + ".ends", {INT64_MAX, INT64_MAX}),
                            proto_.integers(name + ".axes", {2, 3}),
                            proto_.integers(name + ".steps", {shortcut.stride, shortcut.stride})};
      value = proto_.node("Slice", name + ".slice", inputs).name();
    }
    const std::int64_t zeros = (shortcut.out_channels - shortcut.in_channels) / 2;
    const std::string pads = proto_.integers(name + ".pads", {0, zeros, 0, 0, 0, zeros, 0, 0});
    return proto_.node("Pad", name, {value, pads}).name();
  }

  // --- weights

  void add_weights(const Operation& operation, bool quantized, Names& inputs) {
    const Node& layer = program_.node(operation);
    if (quantized) {
      add_quantized(operation, inputs);
      return;
    }
    inputs.push_back(proto_.floats(layer.path + ".weight", weights_.at(layer.path + ".weight")));
    if (layer.bias) inputs.push_back(proto_.floats(layer.path + ".bias", weights_.at(layer.path + ".bias")));
  }

  // int8 weights with a scale per output channel, and biases as int32 in units of that scale times the input's, as
  // runtimes add them up; the batch norm is part of both.
  void add_quantized(const Operation& operation, Names& inputs) {
    const Node& layer = program_.node(operation);
    const Tensor stored = weights_.at(layer.path + ".weight").in_memory();
    const auto codes = stored.bytes();
    const ScaleShift sums = scale_shift_of_sums(program_, weights_, operation);
    const std::size_t channels = sums.scale.size(), row = codes.size() / channels;
    std::vector<std::int8_t> weights(codes.size());
    std::vector<std::int32_t> biases(channels);
    std::vector<float> scales(channels), bias_scales(channels);
    for (std::size_t c = 0; c < channels; ++c) {
      // As it is, but not negative, nor so small that the bias does not fit: the weights take up the difference.
      const double least = std::abs(sums.shift[c]) / operation.input.format.scale / kMaxBias;
      scales[c] = static_cast<float>(std::max({std::abs(sums.scale[c]), least, kMinScale}));
      bias_scales[c] = scales[c] * operation.input.format.scale;
      biases[c] = static_cast<std::int32_t>(std::lrint(sums.shift[c] / bias_scales[c]));
      for (std::size_t i = c * row; i < (c + 1) * row; ++i) {
        const double weight = static_cast<std::int8_t>(codes[i]) * sums.scale[c] / scales[c];
        weights[i] = static_cast<std::int8_t>(std::clamp(std::lrint(weight), -128L, 127L));
      }
    }
    const std::string name = label(layer);
    const std::vector<std::int8_t> zeros(channels);  // also the default; ONNX Runtime's exact kernels want them said
    const std::string zero_points = proto_.int8s(name + ".weight_zero_point", zeros, count(channels));
    inputs.push_back(dequantized(proto_.int8s(name + ".weight", weights, stored.shape()), scales, {zero_points}));
    inputs.push_back(dequantized(proto_.int32s(name + ".bias", biases), bias_scales, {}));
  }

  // Quantized values times the scale of their first dimension. `zero_points` holds one name or none.
  std::string dequantized(const std::string& quantized, const std::vector<float>& scales, const Names& zero_points) {
    Names inputs = {quantized, proto_.floats(quantized + "_scale", scales, count(scales.size()))};
    inputs.insert(inputs.end(), zero_points.begin(), zero_points.end());
    onnx::NodeProto& proto = proto_.node("DequantizeLinear", quantized + ".dequantized", inputs);
    ProtoWriter::set(proto, "axis", std::int64_t{0});
    return proto.name();
  }

  static Shape count(std::size_t values) { return {static_cast<std::int64_t>(values)}; }

  static constexpr double kMaxBias = 1 << 30;
  static constexpr double kMinScale = 1e-30;

  const Program& program_;
  const Graph& graph_;
  const StateDict& weights_;
  ProtoWriter proto_;
  onnx::GraphProto& out_;
  std::map<int, std::string> values_;  // of each value, the name of its floats
  std::map<std::string, int> uses_;
};

}  // namespace

void write_program(const Program& program, const StateDict& weights, const FeatureShape& input, onnx::GraphProto& out) {
  GraphWriter(program, weights, out).write(input);
}

}  // namespace resnet
