#include "weights/infer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "resnet/error.h"
#include "weights/tensor_names.h"
#include "weights/test_models.h"

namespace resnet {
namespace {

Architecture inferred(const Architecture& architecture) {
  StateDict weights = zero_weights(architecture);
  weights.rename(torchvision_name);
  return infer_architecture(weights, architecture.layout, "m.pth");
}

// What shapes cannot tell: a plain CIFAR network has the tensors of one with option-A shortcuts.
Architecture as_shapes_tell(Architecture architecture) {
  if (architecture.stem == Stem::kCifar && architecture.shortcut == Shortcut::kNone) {
    architecture.shortcut = Shortcut::kPadding;
    architecture.name.replace(0, 5, "resnet");
  }
  return architecture;
}

TEST(InferTest, FindsTheWholeCatalog) {
  for (const Architecture& architecture : catalog()) {
    EXPECT_EQ(inferred(architecture), as_shapes_tell(architecture)) << architecture.name;
  }
}

TEST(InferTest, KeepsTheNameForOtherChannelsAndClasses) {
  for (Architecture architecture : catalog()) {
    architecture.in_channels = 1;
    architecture.classes = 37;
    EXPECT_EQ(inferred(architecture), as_shapes_tell(architecture)) << architecture.name;
  }
}

TEST(InferTest, FindsTheTutorialLayout) {
  for (const char* name : {"resnet18", "resnet34", "resnet50", "resnet101", "resnet152"}) {
    const Architecture tutorial = with_layout(find_architecture(name), Layout::kTutorial);
    EXPECT_EQ(inferred(tutorial), tutorial) << name;
  }
}

// The tutorial's newer form has its names and no biases: no layout of its own.
TEST(InferTest, TakesTutorialNamesWithoutBiasesForTorchvision) {
  StateDict weights = zero_weights(find_architecture("resnet50"));
  EXPECT_EQ(infer_architecture(weights, Layout::kTutorial, "m.pth"), find_architecture("resnet50"));
}

TEST(InferTest, FindsGeneralForms) {
  Architecture a;
  a.block = Block::kBasic;
  a.depths = {1, 2};
  a.widths = {24, 40};
  a.stem_width = 24;
  a.classes = 5;
  a.conv_bias = true;
  EXPECT_EQ(inferred(a), a);

  a.stem = Stem::kCifar;
  EXPECT_EQ(inferred(a), a) << "option B";

  a.shortcut = Shortcut::kPadding;
  EXPECT_EQ(inferred(a), a);

  a.widths = {24, 16};  // channels that shrink cannot be padded
  a.shortcut = Shortcut::kNone;
  EXPECT_EQ(inferred(a), a);

  a = {};
  a.block = Block::kBasic;
  a.depths = {2};
  a.widths = {64};
  EXPECT_EQ(inferred(a), a) << "one stage whose shape never changes";

  a = {};
  a.depths = {1, 1, 1, 1, 1};
  a.widths = {40, 80, 160, 320, 640};
  a.groups = 4;
  a.width_per_group = 24;  // 40 * 24 / 64 = 15 channels a group
  a.stem_width = 40;
  a.stem = Stem::kDeep;
  a.shortcut = Shortcut::kAveragePool;
  EXPECT_EQ(inferred(a), a);
}

std::string refusal(const StateDict& weights) {
  try {
    infer_architecture(weights, Layout::kTorchvision, "m.pth");
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kMismatch);
    return error.what();
  }
  return "";
}

TEST(InferTest, SaysWhyItCannotTell) {
  EXPECT_EQ(refusal({}), "m.pth: cannot tell the architecture: there is no conv1.weight");
  const auto changed = [](const std::string& name, Shape shape) {
    StateDict weights = zero_weights(find_architecture("resnet50"));
    weights.set(name, zeros_view(DType::kF32, std::move(shape)));
    return refusal(weights);
  };
  EXPECT_EQ(changed("conv1.weight", {64, 3, 4, 4}),
            "m.pth: cannot tell the architecture: conv1.weight is 4x4, which is no stem's");
  EXPECT_EQ(changed("conv1.weight", {64}),
            "m.pth: cannot tell the architecture: conv1.weight has the shape 64, not 4 dimensions");
  EXPECT_EQ(changed("fc.weight", {0, 2048}), "m.pth: cannot tell the architecture: fc.weight has the shape 0x2048");
  EXPECT_EQ(changed("layer3.0.conv3.weight", {3, 256, 1, 1}),
            "m.pth: cannot tell the architecture: widths: each must be 1 to 65536");
  EXPECT_EQ(changed("layer1.0.conv2.weight", {64, 0, 3, 3}),
            "m.pth: cannot tell the architecture: layer1.0.conv2.weight has the shape 64x0x3x3");
  EXPECT_THAT(changed("fc.weight", {INT64_C(1) << 40, 0}), testing::HasSubstr("fc.weight has the shape"));
}

TEST(InferTest, CountsBlocksAndNotTheirNumbers) {
  StateDict weights = zero_weights(find_architecture("resnet50"));
  weights.add("layer2.2000000000.conv1.weight", zeros_view(DType::kF32, {1}));
  weights.add("layer9.0.conv1.weight", zeros_view(DType::kF32, {1}));
  weights.add("layer99999999999999999999.0.x", zeros_view(DType::kF32, {1}));
  weights.add("layer1.-1.x", zeros_view(DType::kF32, {1}));
  weights.add("layer1.", zeros_view(DType::kF32, {1}));
  const Architecture found = infer_architecture(weights, Layout::kTorchvision, "m.pth");
  EXPECT_EQ(found.depths, (std::vector<int>{3, 5, 6, 3}));
  EXPECT_EQ(found.name, "resnet");
}

TEST(InferTest, TakesSizesFromTheFileForACallersArchitecture) {
  Architecture file = find_architecture("plain20");
  file.classes = 7;
  file.in_channels = 1;
  file.conv_bias = true;
  EXPECT_EQ(with_sizes_of(zero_weights(file), Layout::kTorchvision, find_architecture("plain20")), file);

  const Architecture tutorial = with_layout(find_architecture("resnet18"), Layout::kTutorial);
  EXPECT_EQ(with_sizes_of(zero_weights(tutorial), Layout::kTutorial, find_architecture("resnet18")), tutorial);
  EXPECT_EQ(with_sizes_of({}, Layout::kTutorial, find_architecture("resnet18")), find_architecture("resnet18"));
}

}  // namespace
}  // namespace resnet
