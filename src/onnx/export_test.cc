#include "resnet/onnx.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <set>

#include "formats/test_files.h"
#include "onnx/graph_writer.h"
#include "program/quantized.h"
#include "program/random_weights.h"
#include "weights/test_models.h"

namespace resnet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Architecture small(Block block = Block::kBasic) {
  Architecture a;
  a.block = block;
  a.depths = {1, 2};
  a.widths = {8, 16};
  a.stem_width = 8;
  a.classes = 5;
  return a;
}

class ExportTest : public FormatTest {
 protected:
  onnx::ModelProto exported(const Architecture& architecture) {
    Model model;
    model.architecture = architecture;
    model.weights = random_weights(expand(architecture), 1);
    return exported(model);
  }
  onnx::ModelProto exported(const Model& model, bool int8 = false) {
    file_ = export_onnx(model, path("m.onnx"), {.int8 = int8});
    onnx::ModelProto proto;
    const std::string bytes = read(path("m.onnx"));
    EXPECT_EQ(file_.bytes, static_cast<std::int64_t>(bytes.size()));
    EXPECT_TRUE(proto.ParseFromString(bytes));
    return proto;
  }

  OnnxFile file_;
};

const onnx::NodeProto& node(const onnx::ModelProto& model, const std::string& name) {
  for (const onnx::NodeProto& node : model.graph().node()) {
    if (node.name() == name) return node;
  }
  throw std::runtime_error("no node " + name);
}

std::vector<std::int64_t> ints(const onnx::NodeProto& node, const std::string& name) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.name() != name) continue;
    if (attribute.type() == onnx::AttributeProto::INT) return {attribute.i()};
    return {attribute.ints().begin(), attribute.ints().end()};
  }
  throw std::runtime_error("no attribute " + name);
}

const onnx::TensorProto& initializer(const onnx::ModelProto& model, const std::string& name) {
  for (const onnx::TensorProto& tensor : model.graph().initializer()) {
    if (tensor.name() == name) return tensor;
  }
  throw std::runtime_error("no initializer " + name);
}

std::vector<std::int64_t> integers(const onnx::ModelProto& model, const std::string& name) {
  const std::string& raw = initializer(model, name).raw_data();
  std::vector<std::int64_t> values(raw.size() / sizeof(std::int64_t));
  std::memcpy(values.data(), raw.data(), raw.size());
  return values;
}

// Every value is given once, before it is read, and every initialiser is read.
void expect_sound(const onnx::GraphProto& graph) {
  std::set<std::string> values = {kOnnxInput}, names, read;
  for (const onnx::TensorProto& tensor : graph.initializer()) EXPECT_TRUE(values.insert(tensor.name()).second);
  for (const onnx::NodeProto& node : graph.node()) {
    EXPECT_TRUE(names.insert(node.name()).second) << node.name();
    for (const std::string& input : node.input()) {
      EXPECT_TRUE(values.contains(input)) << node.name() << " reads " << input;
      read.insert(input);
    }
    for (const std::string& output : node.output()) EXPECT_TRUE(values.insert(output).second) << output;
  }
  EXPECT_TRUE(values.contains("logits"));
  values.erase("logits");
  EXPECT_EQ(read, values);
}

TEST_F(ExportTest, HoldsTheStateDictUnderItsNames) {
  Model model;
  model.architecture = small(Block::kBottleneck);
  const Graph graph = expand(model.architecture);
  model.weights = random_weights(graph, 1);
  const onnx::ModelProto proto = exported(model);
  std::size_t expected = 0;
  for (const auto& [name, tensor] : model.weights) {
    if (tensor.dtype() != DType::kF32) continue;  // num_batches_tracked
    ++expected;
    const onnx::TensorProto& written = initializer(proto, name);
    EXPECT_EQ(Shape(written.dims().begin(), written.dims().end()), tensor.shape()) << name;
    const std::string_view bytes(reinterpret_cast<const char*>(tensor.bytes().data()), tensor.bytes().size());
    EXPECT_EQ(written.raw_data(), bytes) << name;
  }
  EXPECT_EQ(static_cast<std::size_t>(proto.graph().initializer_size()), expected);
  EXPECT_EQ(file_.nodes, static_cast<std::int64_t>(graph.nodes.size()) - 1);  // all but the input
}

TEST_F(ExportTest, LeavesTheBatchOpen) {
  const onnx::ModelProto proto = exported(small());
  EXPECT_EQ(proto.ir_version(), 7);
  ASSERT_EQ(proto.opset_import_size(), 1);
  EXPECT_EQ(proto.opset_import(0).version(), kOnnxOpset);
  ASSERT_EQ(proto.graph().input_size(), 1);
  EXPECT_EQ(proto.graph().input(0).name(), "input");
  const auto& shape = proto.graph().input(0).type().tensor_type().shape();
  ASSERT_EQ(shape.dim_size(), 4);
  EXPECT_EQ(shape.dim(0).dim_param(), "batch");
  EXPECT_EQ(shape.dim(1).dim_value(), 3);
  EXPECT_EQ(shape.dim(2).dim_value(), 224);
  ASSERT_EQ(proto.graph().output_size(), 1);
  EXPECT_EQ(proto.graph().output(0).name(), "logits");
  EXPECT_EQ(proto.graph().output(0).type().tensor_type().shape().dim(1).dim_value(), 5);
}

TEST_F(ExportTest, SaysHowEachNodeComputes) {
  Architecture a = small(Block::kBottleneck);
  a.groups = 2;
  a.dilated_stages = 1;
  const onnx::ModelProto proto = exported(a);
  const onnx::NodeProto& conv = node(proto, "layer2.1.conv2");
  EXPECT_EQ(conv.op_type(), "Conv");
  EXPECT_THAT(conv.input(), ElementsAre("layer2.1.relu", "layer2.1.conv2.weight"));
  EXPECT_THAT(ints(conv, "kernel_shape"), ElementsAre(3, 3));
  EXPECT_THAT(ints(conv, "strides"), ElementsAre(1, 1));
  EXPECT_THAT(ints(conv, "pads"), ElementsAre(2, 2, 2, 2));
  EXPECT_THAT(ints(conv, "dilations"), ElementsAre(2, 2));
  EXPECT_THAT(ints(conv, "group"), ElementsAre(2));
  EXPECT_THAT(node(proto, "layer1.0.bn1").input(),
              ElementsAre("layer1.0.conv1", "layer1.0.bn1.weight", "layer1.0.bn1.bias", "layer1.0.bn1.running_mean",
                          "layer1.0.bn1.running_var"));
  EXPECT_THAT(node(proto, "layer1.0").input(), ElementsAre("layer1.0.bn3", "layer1.0.downsample.1"));
  EXPECT_THAT(node(proto, "layer1.0.relu_3").input(), ElementsAre("layer1.0"));
  EXPECT_THAT(node(proto, "fc").input(), ElementsAre("flatten", "fc.weight", "fc.bias"));
}

TEST_F(ExportTest, WritesOptionAAsSliceAndPad) {
  Architecture a = small();
  a.shortcut = Shortcut::kPadding;
  const onnx::ModelProto proto = exported(a);
  EXPECT_EQ(node(proto, "layer2.0.downsample.slice").op_type(), "Slice");
  EXPECT_THAT(integers(proto, "layer2.0.downsample.steps"), ElementsAre(2, 2));
  EXPECT_THAT(integers(proto, "layer2.0.downsample.pads"), ElementsAre(0, 4, 0, 0, 0, 4, 0, 0));
  a.dilated_stages = 1;  // more channels, the same size
  const onnx::ModelProto dilated = exported(a);
  EXPECT_THAT(node(dilated, "layer2.0.downsample").input(), ElementsAre("layer1.0.relu_2", "layer2.0.downsample.pads"));
}

TEST_F(ExportTest, EveryKindOfNetworkIsSound) {
  std::vector<Architecture> all = {small(), small(Block::kBottleneck)};
  const auto change = [&](auto&& set) { set(all.emplace_back(small(Block::kBottleneck))); };
  change([](Architecture& a) { a.stem = Stem::kDeep; });
  change([](Architecture& a) { a.stem = Stem::kCifar; });
  change([](Architecture& a) { a.shortcut = Shortcut::kPadding; });
  change([](Architecture& a) { a.shortcut = Shortcut::kAveragePool; });
  change([](Architecture& a) { a.shortcut = Shortcut::kNone; });
  change([](Architecture& a) { a.in_channels = 19; });
  change([](Architecture& a) { a.conv_bias = true; });
  all.push_back(with_layout(small(Block::kBottleneck), Layout::kTutorial));
  for (const Architecture& a : all) {
    SCOPED_TRACE(name(a.stem));
    SCOPED_TRACE(name(a.shortcut));
    expect_sound(exported(a).graph());
  }
}

TEST_F(ExportTest, SaysWhatTheModelFileSays) {
  Model model;
  model.architecture = small();
  model.weights = random_weights(expand(model.architecture), 1);
  model.classes = {"a", "b", "c", "d", "\"é\""};
  model.preprocessing.emplace();
  model.preprocessing->height = 96;
  model.preprocessing->width = 160;
  const onnx::ModelProto proto = exported(model);
  std::map<std::string, std::string> said;
  for (const auto& entry : proto.metadata_props()) said[entry.key()] = entry.value();
  EXPECT_EQ(said.at("resnet.version"), "1");
  EXPECT_THAT(said.at("resnet.architecture"), HasSubstr("\"widths\":[8,16]"));
  EXPECT_EQ(said.at("resnet.classes"), R"(["a","b","c","d","\"é\""])");
  EXPECT_THAT(said.at("resnet.preprocessing"), HasSubstr("\"width\":160"));
  EXPECT_EQ(file_.input, (FeatureShape{1, 3, 96, 160}));
  EXPECT_EQ(proto.graph().input(0).type().tensor_type().shape().dim(2).dim_value(), 96);
}

TEST_F(ExportTest, TakesWeightsOfOtherTypes) {
  Model model;
  model.architecture = small();
  for (const Parameter& p : parameters(expand(model.architecture))) {
    model.weights.add(p.name, Tensor::zeros(p.dtype == DType::kF32 ? DType::kBF16 : p.dtype, p.shape));
  }
  const onnx::ModelProto proto = exported(model);
  const onnx::TensorProto& weight = initializer(proto, "fc.bias");
  EXPECT_EQ(weight.data_type(), onnx::TensorProto::FLOAT);
  EXPECT_EQ(weight.raw_data(), std::string(5 * sizeof(float), '\0'));
}

// Weights as `resnet quantize` writes them: the layers' weights all 3, their scales 0.5; what they give in steps of
// 0.25.
Model int8_model(const Architecture& architecture) {
  Model model;
  model.architecture = architecture;
  const Graph graph = expand(architecture);
  const auto quantized = std::make_shared<const std::vector<std::byte>>(100'000, std::byte{3});
  for (const auto& [name, tensor] : random_weights(graph, 1)) {
    const bool weight = tensor.shape().size() > 1;
    const auto count = static_cast<std::size_t>(tensor.count());
    model.weights.add(
        name,
        weight ? Tensor::view(DType::kI8, tensor.shape(), std::span(*quantized).first(count), quantized) : tensor);
  }
  for (const auto& [name, node] : quantization_tensors(graph)) {
    const bool per_channel = name.ends_with(kWeightScale);
    const Shape shape = per_channel ? Shape{node->out_channels} : Shape{};
    const std::vector<float> scales(per_channel ? node->out_channels : 1, per_channel ? 0.5F : 0.25F);
    model.weights.add(name,
                      name.ends_with(kOutputZeroPoint) ? Tensor::zeros(DType::kU8, {}) : Tensor::from(scales, shape));
  }
  return model;
}

TEST_F(ExportTest, WritesInt8AsPairsOfQuantizeAndDequantize) {
  const onnx::ModelProto proto = exported(int8_model(small()), true);
  expect_sound(proto.graph());
  for (const onnx::NodeProto& node : proto.graph().node()) EXPECT_NE(node.op_type(), "BatchNormalization");
  EXPECT_THAT(node(proto, "input.quantized").input(), ElementsAre("input", "input.scale", "input.zero_point"));
  const onnx::NodeProto& conv = node(proto, "layer1.0.conv2");
  EXPECT_THAT(conv.input(), ElementsAre("layer1.0.relu.dequantized", "layer1.0.conv2.weight.dequantized",
                                        "layer1.0.conv2.bias.dequantized"));
  EXPECT_THAT(node(proto, "layer1.0").input(), ElementsAre("layer1.0.conv2", "maxpool.dequantized"));
  EXPECT_THAT(node(proto, "layer1.0.relu_2.quantized").op_type(), "QuantizeLinear");
  EXPECT_THAT(ints(node(proto, "layer1.0.conv2.weight.dequantized"), "axis"), ElementsAre(0));
  const onnx::TensorProto& weight = initializer(proto, "layer1.0.conv2.weight");
  EXPECT_EQ(weight.data_type(), onnx::TensorProto::INT8);
  EXPECT_EQ(initializer(proto, "layer1.0.conv2.bias").data_type(), onnx::TensorProto::INT32);
  // A batch norm that turns a channel's sign turns its weights, not its scale.
  const std::string scales = initializer(proto, "layer1.0.conv2.weight_scale").raw_data();
  const Tensor gamma = int8_model(small()).weights.at("layer1.0.bn2.weight");
  for (std::size_t c = 0; c < 8; ++c) {
    float scale;
    std::memcpy(&scale, scales.data() + c * sizeof(float), sizeof scale);
    EXPECT_GT(scale, 0);
    const std::size_t row = weight.raw_data().size() / 8;
    EXPECT_EQ(weight.raw_data()[c * row], gamma.f32()[c] < 0 ? -3 : 3) << c;
  }
}

TEST_F(ExportTest, WritesInt8InFloat32UnlessAsked) {
  const onnx::ModelProto proto = exported(int8_model(small()));
  expect_sound(proto.graph());
  const onnx::TensorProto& weight = initializer(proto, "conv1.weight");
  EXPECT_EQ(weight.data_type(), onnx::TensorProto::FLOAT);
  float value;
  std::memcpy(&value, weight.raw_data().data(), sizeof value);
  EXPECT_EQ(value, 1.5F);
}

TEST_F(ExportTest, LeavesFloatLayersInFloatsAmongInt8) {
  Model model = int8_model(small());
  const Graph graph = expand(small());
  StateDict weights;
  for (const auto& [name, tensor] : model.weights) {
    if (name == "layer2.0.conv1.weight_scale") continue;
    weights.add(name, name == "layer2.0.conv1.weight" ? random_weights(graph, 1).at(name) : tensor);
  }
  model.weights = weights;
  const onnx::ModelProto proto = exported(model, true);
  expect_sound(proto.graph());
  EXPECT_EQ(node(proto, "layer2.0.bn1").op_type(), "BatchNormalization");
  EXPECT_EQ(initializer(proto, "layer2.0.conv1.weight").data_type(), onnx::TensorProto::FLOAT);
}

TEST_F(ExportTest, RefusesWhatMakesNoFile) {
  const auto refused = [&](const Model& model, const std::string& to, ErrorCode code, const std::string& message) {
    try {
      export_onnx(model, to);
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code);
      EXPECT_THAT(error.what(), HasSubstr(message));
    }
    EXPECT_FALSE(std::filesystem::exists(to));
  };
  Model model;
  model.architecture = small();
  refused(model, path("m.onnx"), ErrorCode::kMismatch, "missing conv1.weight");
  model.weights = zero_weights(model.architecture);
  EXPECT_THROW(export_onnx(model, path("m.onnx"), {.int8 = true}), Error);
  refused(model, path("none/m.onnx"), ErrorCode::kIo, "none/m.onnx: cannot write");
  model.architecture.depths = {20, 1};  // 128 MiB a block
  model.architecture.widths = {1348, 8};
  model.weights = zero_weights(model.architecture);
  refused(model, path("m.onnx"), ErrorCode::kLimit, "at most 2 GiB");
}

}  // namespace
}  // namespace resnet
