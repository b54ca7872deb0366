#include "weights/script_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace resnet {
namespace {

using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

TensorFile script(const std::map<std::string, std::string>& classes, const std::map<std::string, std::string>& code) {
  TensorFile file;
  for (const auto& [path, name] : classes) file.values[path] = nlohmann::json(name).dump();
  for (const auto& [path, text] : code) file.values["code/" + path] = nlohmann::json(text).dump();
  return file;
}

TEST(ScriptWordsTest, ConstantsOfAScriptedModule) {
  const TensorFile file = script({{"conv1.__class__", "__torch__.torch.nn.modules.conv.___torch_mangle_3.Conv2d"}},
                                 {{"__torch__/torch/nn/modules/conv/___torch_mangle_3.py",
                                   "class Other(Module):\n  stride : Final[int] = 9\n"
                                   "class Conv2d(Module):\n  weight : Tensor\n"
                                   "  stride : Final[Tuple[int, int]] = (2, 2)\n  transposed : Final[bool] = False\n"
                                   "  odd : Final[int] = x.y\n  def forward(self: Conv2d,\n"}});
  EXPECT_THAT(script_attributes(file),
              UnorderedElementsAre(Pair("conv1.__class__", "\"torch.nn.modules.conv.Conv2d\""),
                                   Pair("conv1.stride", "[2, 2]"), Pair("conv1.transposed", "false")));
}

TEST(ScriptWordsTest, CallsOfATracedModule) {
  const TensorFile file =
      script({{"__class__", "__torch__.net.Net"},
              {"a.conv.__class__", "__torch__.torch.nn.modules.conv.Conv2d"},
              {"a.bn.__class__", "__torch__.torch.nn.modules.batchnorm.BatchNorm2d"}},
             {{"__torch__/torch/nn/modules/conv.py",
               "class Conv2d(Module):\n    x = torch._convolution(a, weight, None, [2, 2], [3, 3], [1, 1], False, "
               "[0, 0], 1, False)\n"},
              {"__torch__/torch/nn/modules/batchnorm.py",
               "class BatchNorm2d(Module):\n    x = torch.batch_norm(a, w, b, m, v, False, 0.1, 0.001, True)\n"},
              {"__torch__/net.py",
               "class Net(Module):\n    relu = self.relu\n    y = torch.leaky_relu_(x, 0.2)\n"
               "    z = torch.max_pool2d(y, [3, 3], [2, 2], [0, 0], [1, 1], True)\n"}});
  EXPECT_THAT(
      script_attributes(file),
      UnorderedElementsAre(
          Pair("__class__", "\"net.Net\""), Pair("a.conv.__class__", "\"torch.nn.modules.conv.Conv2d\""),
          Pair("a.conv.stride", "[2, 2]"), Pair("a.conv.padding", "[3, 3]"), Pair("a.conv.dilation", "[1, 1]"),
          Pair("a.conv.groups", "1"), Pair("a.bn.__class__", "\"torch.nn.modules.batchnorm.BatchNorm2d\""),
          Pair("a.bn.eps", "0.001"), Pair("leaky_relu().__class__", "\"torch.nn.modules.activation.LeakyReLU\""),
          Pair("leaky_relu().negative_slope", "0.2"),
          Pair("max_pool2d().__class__", "\"torch.nn.modules.pooling.MaxPool2d\""),
          Pair("max_pool2d().kernel_size", "[3, 3]"), Pair("max_pool2d().stride", "[2, 2]"),
          Pair("max_pool2d().padding", "[0, 0]"), Pair("max_pool2d().ceil_mode", "true")));
}

TEST(ScriptWordsTest, WhatIsNoScriptOrNoCode) {
  EXPECT_THAT(script_attributes(script({{"conv1.__class__", "torch.nn.modules.conv.Conv2d"}}, {})), IsEmpty());
  EXPECT_THAT(script_attributes(script({{"a.__class__", "__torch__.B"}}, {{"__torch__.py", "class "}, {"x.py", ""}})),
              IsEmpty());
  EXPECT_THAT(script_attributes(script({{"a.__class__", "__torch__.B"}},
                                       {{"__torch__.py", "class B(Module):\n torch.max_pool2d([[("}})),
              UnorderedElementsAre(Pair("a.__class__", "\"B\"")));
}

}  // namespace
}  // namespace resnet
