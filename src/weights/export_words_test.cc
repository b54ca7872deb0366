#include "weights/export_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace resnet {
namespace {

using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

std::map<std::string, std::string> attributes(const std::string& program) {
  TensorFile file;
  file.values["models/model.json"] = program;
  return export_attributes(file);
}

TEST(ExportWordsTest, ArgumentsOfOperations) {
  EXPECT_THAT(
      attributes(R"({"graph_module": {
      "signature": {"input_specs": [
          {"parameter": {"arg": {"name": "p_a_conv_weight"}, "parameter_name": "a.conv.weight"}},
          {"buffer": {"arg": {"name": "b_aa_filt"}, "buffer_name": "a.aa.filt"}}]},
      "graph": {"nodes": [
          {"target": "torch.ops.aten.conv2d.default",
           "inputs": [{"name": "weight", "arg": {"as_tensor": {"name": "p_a_conv_weight"}}},
                      {"name": "stride", "arg": {"as_ints": [2, 2]}}]},
          {"target": "torch.ops.aten.leaky_relu_.default",
           "inputs": [{"name": "negative_slope", "arg": {"as_float": 0.2}}],
           "metadata": {"nn_module_stack": "L__self__,,net.Net;L__self__a,a,net.Block"}},
          {"target": "torch.ops.aten.max_pool2d.default",
           "inputs": [{"name": "kernel_size", "arg": {"as_ints": [3, 3]}}],
           "metadata": {"nn_module_stack": "L__self__,,net.Net;L__self__p,p,torch.nn.modules.pooling.MaxPool2d"}},
          {"target": "torch.ops.aten.add_.Tensor"}, {"target": 3}, 4]}}})"),
      UnorderedElementsAre(
          Pair("a.conv.stride", "[2,2]"), Pair("a.conv.padding", "[0,0]"), Pair("a.conv.dilation", "[1,1]"),
          Pair("a.conv.groups", "1"), Pair("a.leaky_relu().__class__", "\"torch.nn.modules.activation.LeakyReLU\""),
          Pair("a.leaky_relu().negative_slope", "0.2"), Pair("p.__class__", "\"torch.nn.modules.pooling.MaxPool2d\""),
          Pair("p.kernel_size", "[3,3]"), Pair("p.padding", "0"), Pair("p.ceil_mode", "false")));
}

TEST(ExportWordsTest, WhatIsNoProgram) {
  for (const char* text : {"", "3", "{}", R"({"graph_module": 3})", R"({"graph_module": {"graph": {"nodes": {}}}})",
                           R"({"graph_module": {"graph": {"nodes": [{"target": "torch.ops.aten."}]}}})"}) {
    EXPECT_THAT(attributes(text), IsEmpty()) << text;
  }
}

}  // namespace
}  // namespace resnet
