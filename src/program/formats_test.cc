#include "program/formats.h"

#include <gtest/gtest.h>

#include <map>

#include "arch/describe.h"
#include "arch/operations.h"
#include "program/quantized.h"
#include "program/random_networks.h"
#include "resnet/error.h"

namespace resnet {
namespace {

// The parameters that formats depend on: int8 weights in about two of three layers, and scales for all values.
StateDict some_int8_weights(const Program& program, std::mt19937& random) {
  StateDict weights;
  for (const Operation& operation : program.operations) {
    const std::string name = label(program.node(operation));
    if (info(program.node(operation).op).is_layer) {
      weights.add(name + ".weight", Tensor::zeros(random() % 3 == 0 ? DType::kF32 : DType::kI8, {1}));
    }
    const float scale = 1 + static_cast<float>(weights.size());  // each another one
    weights.add(name + kOutputScale, Tensor::from(std::span(&scale, 1), {}));
    weights.add(name + kOutputZeroPoint, Tensor::zeros(DType::kU8, {}));
  }
  return weights;
}

bool is_narrow(const Operand& operand) { return operand.format.type != ValueType::kF32; }

// What an operation may read and give.
void expect_known_formats(const Program& program, const Operation& operation, const StateDict& weights,
                          Precision precision) {
  const Node& node = program.node(operation);
  const ValueFormat& in = operation.input.format;
  const ValueFormat& out = operation.output.format;
  if (operation.residual.value >= 0) {
    EXPECT_EQ(operation.residual.format.type, in.type);
  }
  if (operation.converts) {
    EXPECT_NE(is_narrow(operation.input), is_narrow(operation.output));
    return;
  }
  switch (storage(node.op)) {
    case Storage::kGiven: break;
    case Storage::kLayer: {
      const bool quantized = precision == Precision::kInt8 && is_quantized(weights, node.path);
      EXPECT_EQ(is_narrow(operation.input), quantized || precision == Precision::kBf16);
      EXPECT_TRUE(in.type == out.type || out.type == ValueType::kF32);
      break;
    }
    case Storage::kPassedOn: EXPECT_EQ(in, out); break;
    case Storage::kMean: EXPECT_EQ(in.type, out.type); break;
    case Storage::kFloat:
      EXPECT_EQ(in, ValueFormat());
      EXPECT_EQ(out, ValueFormat());
      break;
  }
}

void expect_consistent(const Program& program, const StateDict& weights, Precision precision) {
  std::map<int, ValueFormat> given;
  std::map<int, int> readers;
  const std::vector<Lifetime> lives = lifetimes(program);
  EXPECT_EQ(static_cast<int>(lives.size()), program.values);
  int now = 0;
  for (const Operation& operation : program.operations) {
    for_each_read(operation, [&](const Operand& read) {
      ASSERT_TRUE(given.contains(read.value));
      EXPECT_EQ(given.at(read.value), read.format);
      EXPECT_GE(lives[read.value].last_read, now);
      ++readers[read.value];
    });
    expect_known_formats(program, operation, weights, precision);
    EXPECT_FALSE(given.contains(operation.output.value));
    given[operation.output.value] = operation.output.format;
    ++now;
  }
  for (const Operation& operation : program.operations) {
    EXPECT_TRUE(!operation.converts || readers[operation.output.value] > 0);
  }
  EXPECT_EQ(program.operations.back().output.format, ValueFormat());
  EXPECT_EQ(program.operations.back().output.value, static_cast<int>(program.graph.nodes.size()) - 1);
}

TEST(PropertyFormats, AreThoseThatReadersRead) {
  std::mt19937 random(8);
  std::vector<Graph> graphs;
  for (const Architecture& architecture : catalog()) graphs.push_back(expand(architecture));
  for (int i = 0; i < 100; ++i) graphs.push_back(expand(random_architecture(random)));
  for (int i = 0; i < 300; ++i) graphs.push_back(random_graph(random, 2 + i / 4, 16));
  for (const Graph& graph : graphs) {
    SCOPED_TRACE(graph.architecture.name);
    for (const Lowering lowering : {Lowering::kNodes, Lowering::kInference, Lowering::kTraining}) {
      const Program program = lower(graph, lowering);
      expect_consistent(give_formats(program, {}, Precision::kFp32), {}, Precision::kFp32);
      expect_consistent(give_formats(program, {}, Precision::kBf16), {}, Precision::kBf16);
    }
    const Program program = lower(graph, Lowering::kInference);
    const StateDict weights = some_int8_weights(program, random);
    expect_consistent(give_formats(program, weights, Precision::kInt8), weights, Precision::kInt8);
  }
}

// The networks of the catalog need no conversions in bf16: all but the logits is bfloat16.
TEST(FormatsTest, Bf16ConvertsNothingInNetworksThatFuse) {
  for (const Architecture& architecture : catalog()) {
    const Program program = lower(expand(architecture), Lowering::kInference);
    const Program narrow = give_formats(program, {}, Precision::kBf16);
    EXPECT_EQ(narrow.operations.size(), program.operations.size()) << architecture.name;
    for (const Operation& operation : narrow.operations) {
      const bool logits = &operation == &narrow.operations.back();
      EXPECT_EQ(operation.output.format.type, logits ? ValueType::kF32 : ValueType::kBf16);
    }
  }
}

// A batch norm that no convolution took in reads float32, so the convolution before it gives that at once; what the
// next convolution reads is converted.
TEST(FormatsTest, WhatStandsAloneReadsFloat32) {
  Graph graph;
  for (const Op op : {Op::kInput, Op::kConv, Op::kActivation, Op::kBatchNorm, Op::kConv}) {
    const int last = static_cast<int>(graph.nodes.size()) - 1;
    graph.nodes.push_back({op, "", last < 0 ? std::vector<int>() : std::vector<int>{last}});
  }
  const Program program = give_formats(lower(graph, Lowering::kInference), {}, Precision::kBf16);
  std::vector<std::pair<ValueType, ValueType>> formats;
  for (const Operation& operation : program.operations) {
    formats.emplace_back(operation.input.format.type, operation.output.format.type);
  }
  const auto f = ValueType::kF32;
  const auto b = ValueType::kBf16;
  EXPECT_EQ(formats, (std::vector<std::pair<ValueType, ValueType>>{{f, b}, {b, f}, {f, f}, {f, b}, {b, f}}));
  EXPECT_TRUE(program.operations[3].converts);
}

TEST(FormatsTest, NamesTheScaleThatIsMissing) {
  const Program program = lower(expand(find_architecture("resnet20")), Lowering::kInference);
  std::mt19937 random(1);
  StateDict weights;
  for (const auto& [name, tensor] : some_int8_weights(program, random)) {
    if (name != "layer2.1.conv1.output_scale") weights.add(name, tensor);
  }
  weights.set("layer2.1.conv2.weight", Tensor::zeros(DType::kI8, {1}));  // reads it
  try {
    give_formats(program, weights, Precision::kInt8);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kMismatch);
    EXPECT_STREQ(error.what(), "tensor 'layer2.1.conv1.output_scale': is not there");
  }
}

}  // namespace
}  // namespace resnet
