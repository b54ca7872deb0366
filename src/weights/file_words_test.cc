#include "weights/file_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "resnet/error.h"

namespace resnet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TensorFile file_of(std::map<std::string, std::string> values) {
  TensorFile file;
  file.values = std::move(values);
  return file;
}

Architecture said(std::map<std::string, std::string> values, const std::string& network = "resnet50",
                  const std::string& prefix = "") {
  Architecture architecture = find_architecture(network);
  read_words(file_of(std::move(values)), prefix, architecture, "m.pth").changes.apply_to(architecture);
  return plainly_said(architecture);
}

std::string refusal(std::map<std::string, std::string> values) {
  try {
    said(std::move(values));
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(FileWordsTest, HuggingFace) {
  EXPECT_EQ(said({{"config.json", R"({"model_type": "resnet", "hidden_act": "relu"})"}}),
            find_architecture("resnet50"));
  const Architecture other = said({{"config.json", R"({"model_type": "resnet", "hidden_act": "silu",
      "downsample_in_first_stage": true, "downsample_in_bottleneck": true})"}});
  EXPECT_EQ(other.activation, Activation::kSilu);
  EXPECT_TRUE(other.stride_on_first);
  EXPECT_THAT(other.strides, ElementsAre(2, 2, 2, 2));
  EXPECT_THAT(refusal({{"config.json", R"({"model_type": "resnet", "hidden_act": "mish"})"}}),
              HasSubstr("config.json says the activation mish"));
}

TEST(FileWordsTest, NamesOfTimm) {
  const FileWords words = read_words(file_of({{"arch", R"("resnet50")"}}), "", find_architecture("resnet50"), "m.pth");
  EXPECT_EQ(words.sources.at("stem_pool"), "arch: resnet50");
  for (const char* name : {"resnetblur50", "resnetaa50d", "resnetv2_50", "resnet50_clip_gap"}) {
    EXPECT_THAT(refusal({{"arch", '"' + std::string(name) + '"'}}), HasSubstr(name));
  }
  EXPECT_THAT(refusal({{"config.json", R"({"architecture": "resnet50", "pretrained_cfg": {},
      "model_args": {"aa_layer": "avg"}})"}}),
              HasSubstr("aa_layer"));
  for (const char* name : {"resnet50d", "wide_resnet50_2", "resnext50_32x4d", "tv_resnet50", "swsl_resnext101_32x8d"}) {
    const TensorFile file = file_of({{"arch", '"' + std::string(name) + '"'}});
    EXPECT_FALSE(read_words(file, "", find_architecture("resnet50"), "m.pth").sources.empty()) << name;
  }
  EXPECT_THAT(read_words(file_of({{"arch", R"("resnet50_mine")"}}), "", find_architecture("resnet50"), "m.pth").sources,
              IsEmpty());
}

TEST(FileWordsTest, AttributesOfModules) {
  std::map<std::string, std::string> values = {{"net.bn1.eps", "0.001"},
                                               {"net.conv1.stride", "[1,1]"},
                                               {"net.relu.__class__", R"("torch.nn.modules.activation.LeakyReLU")"},
                                               {"net.relu.negative_slope", "0.2"},
                                               {"net.maxpool.__class__", R"("torch.nn.modules.linear.Identity")"}};
  for (const char* stage : {"1", "2", "3", "4"}) {
    const std::string block = std::string("net.layer") + stage + ".0.";
    values[block + "conv1.stride"] = *stage == '1' || *stage == '4' ? "[1,1]" : "[2,2]";
    values[block + "conv2.stride"] = "[1,1]";
  }
  const Architecture a = said(values, "resnet50", "net.");
  EXPECT_EQ(a.bn_eps, 0.001);
  EXPECT_EQ(a.activation, Activation::kLeakyRelu);
  EXPECT_EQ(a.negative_slope, 0.2);
  EXPECT_EQ(a.first_stride(), 1);
  EXPECT_EQ(a.last_pool(), StemPool::kNone);
  EXPECT_TRUE(a.stride_on_first);
  EXPECT_THAT(a.strides, ElementsAre(1, 2, 2, 1));
  EXPECT_THAT(refusal({{"layer1.0.aa.__class__", R"("timm.layers.blur_pool.BlurPool2d")"}}),
              HasSubstr("anti-aliasing"));
}

TEST(FileWordsTest, Preprocessing) {
  const auto how = [](const char* name, const char* text) {
    return read_words(file_of({{name, text}}), "", find_architecture("resnet50"), "m.pth").preprocessing;
  };
  const auto timm = how("config.json", R"({"architecture": "resnet50", "pretrained_cfg": {"input_size": [3, 224, 224],
      "crop_pct": 0.95, "interpolation": "bicubic", "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]}})");
  ASSERT_TRUE(timm);
  EXPECT_EQ(timm->height, 224);
  EXPECT_EQ(timm->resize, 235);
  EXPECT_EQ(timm->interpolation, Interpolation::kBicubic);
  EXPECT_EQ(timm->mean[0], 0.5F);
  const auto convnext = how("preprocessor_config.json", R"({"crop_pct": 0.875, "do_normalize": true, "do_resize": true,
      "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 3, "size": 224})");
  ASSERT_TRUE(convnext);
  EXPECT_EQ(convnext->resize, 256);
  // One that squeezes pictures into a square has no counterpart.
  EXPECT_FALSE(how("preprocessor_config.json", R"({"do_resize": true, "image_mean": [0.5, 0.5, 0.5], "image_std":
      [0.5, 0.5, 0.5], "resample": 2, "size": {"height": 224, "width": 224}})"));
}

TEST(FileWordsTest, NamesOfClasses) {
  const auto names = [](std::map<std::string, std::string> values) {
    return find_class_names(file_of(std::move(values)), 2);
  };
  EXPECT_THAT(names({{"config.json", R"({"id2label": {"1": "dog", "0": "cat"}})"}}), ElementsAre("cat", "dog"));
  EXPECT_THAT(names({{"class_to_idx", R"({"dog": 1, "cat": 0})"}}), ElementsAre("cat", "dog"));
  EXPECT_THAT(names({{"hyper_parameters", R"({"lr": 0.1, "classes": ["cat", "dog"]})"}}), ElementsAre("cat", "dog"));
  EXPECT_THAT(names({{"dls.vocab", R"(["cat", "dog"])"}}), ElementsAre("cat", "dog"));
  EXPECT_THAT(names({{"classes", R"(["cat", "dog", "cow"])"}}), IsEmpty());
  EXPECT_THAT(names({{"config.json", R"({"id2label": {"0": "LABEL_0", "1": "LABEL_1"}})"}}), IsEmpty());
  EXPECT_THAT(names({{"classes", "2"}, {"id2label", "{}"}}), IsEmpty());
}

}  // namespace
}  // namespace resnet
