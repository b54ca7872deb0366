// ResNets out of Caffe, and what is assumed of networks under the names of Caffe and of Detectron.
#include "weights/caffe_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>

#include "weights/test_foreign_file.h"

namespace resnet {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::FloatNear;
using ::testing::HasSubstr;

Architecture three_stages() {
  Architecture a = small(Block::kBottleneck);
  a.depths = {1, 3, 1};
  a.widths = {8, 8, 16};
  return a;
}

// Each value another.
StateDict counted_weights() {
  StateDict result;
  float next = 1;
  for (const auto& [name, tensor] : weights_of(three_stages())) {
    if (tensor.dtype() != DType::kF32) continue;
    Tensor copy = tensor.copy();
    for (float& value : copy.mutable_f32()) value = next += 0.125F;
    result.add(name, copy);
  }
  return result;
}

// "conv1", "bn_conv1" and "scale_conv1", "res3b1_branch2a", ... of torchvision's module.
struct CaffeName {
  std::string layer, scale;  // `scale`: of a batch norm's other layer; else empty
};
CaffeName caffe_name(const std::string& module, bool numbered) {
  if (module == "conv1") return {"conv1", ""};
  if (module == "bn1") return {"bn_conv1", "scale_conv1"};
  if (module == "fc") return {"fc1000", ""};
  int stage = 0, block = 0, number = 0;
  std::string branch;
  bool norm = false;
  if (std::sscanf(module.c_str(), "layer%d.%d.downsample.%d", &stage, &block, &number) == 3) {
    branch = "1";
    norm = number == 1;
  } else {
    norm = std::sscanf(module.c_str(), "layer%d.%d.bn%d", &stage, &block, &number) == 3;
    if (!norm) std::sscanf(module.c_str(), "layer%d.%d.conv%d", &stage, &block, &number);
    branch = std::string("2") + static_cast<char>('a' + number - 1);
  }
  std::string of_block(1, static_cast<char>('a' + block));
  if (numbered && block > 0) of_block = "b" + std::to_string(block);
  const std::string place = std::to_string(stage + 1) + of_block + "_branch" + branch;
  if (norm) return {"bn" + place, "scale" + place};
  return {"res" + place, ""};
}

Tensor times(const Tensor& tensor, float factor) {
  Tensor result = tensor.copy();
  for (float& value : result.mutable_f32()) value *= factor;
  return result;
}

// Blobs by number, as nets' parameters are lists of them; statistics times a factor.
ForeignFile caffe_file(const StateDict& weights, bool numbered, float factor) {
  ForeignFile file;
  for (const auto& [name, tensor] : weights) {
    const std::size_t dot = name.rfind('.');
    const auto [layer, scale] = caffe_name(name.substr(0, dot), numbered);
    const std::string leaf = name.substr(dot + 1);
    if (leaf == "running_mean") {
      file.add(layer + ".0", times(tensor, factor)).add(layer + ".2", times(numbers({1}, 0, 1), factor));
    } else if (leaf == "running_var") {
      file.add(layer + ".1", times(tensor, factor));
    } else {
      file.add((scale.empty() ? layer : scale) + (leaf == "weight" ? ".0" : ".1"), tensor);
    }
  }
  return file;
}

TEST(CaffeNamesTest, LayersAndBlobsBecomeOneNetwork) {
  const StateDict weights = counted_weights();
  for (const bool numbered : {false, true}) {
    SCOPED_TRACE(numbered);
    const Model model = caffe_file(weights, numbered, 0.5F).load();
    Architecture expected = three_stages();
    expected.stride_on_first = true;
    expected.stem_pool = StemPool::kMaxCeil;
    EXPECT_EQ(model.architecture, expected);
    EXPECT_EQ(model.finding.names, "Caffe");
    EXPECT_TRUE(model.finding.passed_over.empty());
    for (const auto& [name, tensor] : weights) {
      EXPECT_TRUE(std::ranges::equal(model.weights.at(name).f32(), tensor.f32())) << name;
    }
    const std::string last = numbered ? "res3b2_branch2c.0" : "res3c_branch2c.0";
    EXPECT_THAT(model.finding.map, Contains(std::pair(last, std::string("layer2.2.conv3.weight"))));
  }
}

TEST(CaffeNamesTest, BiasesMoveTheMeans) {
  const StateDict weights = counted_weights();
  ForeignFile file = caffe_file(weights, false, 1);
  file.add("conv1.1", numbers({8}, 0, 2));
  const Model model = file.load();
  EXPECT_FALSE(model.architecture.conv_bias);
  for (int i = 0; i < 8; ++i) {
    EXPECT_NEAR(model.weights.at("bn1.running_mean").f32()[i],
                weights.at("bn1.running_mean").f32()[i] - 2 * static_cast<float>(i + 1), 1e-5);
  }
  ForeignFile misfit = caffe_file(weights, false, 1);
  misfit.add("conv1.1", numbers({3}));
  EXPECT_THAT(misfit.refusal(), HasSubstr("conv1: its bias and the batch norm behind it do not go together"));
}

TEST(CaffeNamesTest, PicturesAreAssumedToBeCaffes) {
  const Model model = caffe_file(counted_weights(), false, 1).load();
  ASSERT_TRUE(model.preprocessing);
  EXPECT_EQ(model.preprocessing->channels, ChannelOrder::kBgr);
  EXPECT_THAT(model.preprocessing->mean, ElementsAre(FloatNear(103.939F / 255, 1e-6F), FloatNear(116.779F / 255, 1e-6F),
                                                     FloatNear(123.68F / 255, 1e-6F)));
  EXPECT_THAT(model.finding.notes,
              Contains(AllOf(HasSubstr("Caffe's"), HasSubstr("--channel-order bgr --mean 0.407604,"))));
  LoadOptions options;
  options.changes.set(&Architecture::stride_on_first, false).set(&Architecture::stem_pool, StemPool::kMax);
  const Model told = caffe_file(counted_weights(), false, 1).load(options);
  EXPECT_FALSE(told.architecture.stride_on_first);
  EXPECT_EQ(told.architecture.last_pool(), StemPool::kMax);
}

std::string detectron2(const std::string& name) {
  std::string result = name;
  const auto replace = [&](const std::string& from, const std::string& to) {
    if (const std::size_t at = result.find(from); at != std::string::npos) result.replace(at, from.size(), to);
  };
  if (name.starts_with("fc.")) return "linear." + name.substr(3);
  if (name.starts_with("conv1.")) return "stem." + name;
  if (name.starts_with("bn1.")) return "stem.conv1.norm." + name.substr(4);
  result = "res" + std::to_string(name[5] - '0' + 1) + name.substr(6);
  replace("downsample.0", "shortcut");
  replace("downsample.1", "shortcut.norm");
  if (const std::size_t at = result.find("bn"); at != std::string::npos) {
    result.replace(at, 3, std::string("conv") + result[at + 2] + ".norm");
  }
  return result;
}

TEST(HabitsTest, OfDetectron2) {
  const StateDict weights = weights_of(three_stages());
  const Model msra = ForeignFile().add(weights, "model.", detectron2).load();
  EXPECT_EQ(msra.finding.names, "detectron2");
  EXPECT_TRUE(msra.architecture.stride_on_first);
  EXPECT_EQ(msra.preprocessing.value().channels, ChannelOrder::kBgr);
  EXPECT_FLOAT_EQ(msra.preprocessing->std[0], 1 / 255.0F);
  const auto stride = std::find_if(msra.finding.assumed.begin(), msra.finding.assumed.end(),
                                   [](const ToldField& field) { return field.name == "stride_on_first"; });
  ASSERT_NE(stride, msra.finding.assumed.end());
  EXPECT_EQ(stride->value, "true");

  // Those with groups stride on the 3x3, and their pictures have ImageNet's deviation.
  Architecture grouped = three_stages();
  grouped.groups = 2;
  const Model fair = ForeignFile().add(weights_of(grouped), "model.", detectron2).load();
  EXPECT_FALSE(fair.architecture.stride_on_first);
  EXPECT_FLOAT_EQ(fair.preprocessing.value().std[2], 58.395F / 255);

  // Red first: converted from PyTorch's.
  const Model converted = ForeignFile()
                              .add(weights, "model.", detectron2)
                              .add("pixel_mean", numbers({3, 1, 1}, 133.825F, -10.15F))
                              .add("pixel_std", numbers({3, 1, 1}, 58, 0.25F))
                              .load();
  EXPECT_FALSE(converted.architecture.stride_on_first);
  EXPECT_EQ(converted.preprocessing.value().channels, ChannelOrder::kRgb);
  EXPECT_NEAR(converted.preprocessing->mean[0], 123.675 / 255, 1e-5);

  // Other names, other people.
  EXPECT_FALSE(ForeignFile().add(weights, "").load().architecture.stride_on_first);
}

}  // namespace
}  // namespace resnet
