#include "weights/tensor_names.h"

#include <gtest/gtest.h>

namespace resnet {
namespace {

TEST(TensorNamesTest, StripsPrefixesInAnyOrderAndNumber) {
  EXPECT_EQ(torchvision_name("module.conv1.weight"), "conv1.weight");
  EXPECT_EQ(torchvision_name("_orig_mod.conv1.weight"), "conv1.weight");
  EXPECT_EQ(torchvision_name("model.conv1.weight"), "conv1.weight");
  EXPECT_EQ(torchvision_name("backbone.conv1.weight"), "conv1.weight");
  EXPECT_EQ(torchvision_name("module._orig_mod.module.model.backbone.conv1.weight"), "conv1.weight");
  EXPECT_EQ(torchvision_name("models.conv1.weight"), "models.conv1.weight");
  EXPECT_EQ(torchvision_name("model."), "");
}

TEST(TensorNamesTest, KnowsOtherNames) {
  EXPECT_EQ(torchvision_name("linear.weight"), "fc.weight");
  EXPECT_EQ(torchvision_name("module.linear.bias"), "fc.bias");
  EXPECT_EQ(torchvision_name("linearity.bias"), "linearity.bias");
  EXPECT_EQ(torchvision_name("layer2.0.identity_downsample.0.bias"), "layer2.0.downsample.0.bias");
  EXPECT_EQ(torchvision_name("layer2.0.shortcut.1.running_mean"), "layer2.0.downsample.1.running_mean");
  EXPECT_EQ(torchvision_name("layer2.0.downsample.1.weight"), "layer2.0.downsample.1.weight");
  EXPECT_EQ(torchvision_name("x.shortcut.0"), "x.shortcut.0");
  EXPECT_TRUE(is_tutorial_name("module.layer2.0.identity_downsample.0.bias"));
  EXPECT_FALSE(is_tutorial_name("layer2.0.downsample.0.weight"));
}

}  // namespace
}  // namespace resnet
