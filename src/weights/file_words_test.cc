#include "weights/file_words.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "resnet/error.h"

namespace resnet {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Finding behind(const std::string& prefix) {
  Finding finding;
  finding.prefix = prefix;
  return finding;
}

TensorFile file_of(std::map<std::string, std::string> values) {
  TensorFile file;
  file.values = std::move(values);
  return file;
}

Architecture said(std::map<std::string, std::string> values, const std::string& network = "resnet50",
                  const std::string& prefix = "") {
  Architecture architecture = find_architecture(network);
  read_words(file_of(std::move(values)), behind(prefix), architecture, "m.pth").changes.apply_to(architecture);
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
  const Architecture other = said({{"config.json", R"({"model_type": "resnet", "hidden_act": "relu",
      "downsample_in_first_stage": true, "downsample_in_bottleneck": true})"}});
  EXPECT_TRUE(other.stride_on_first);
  EXPECT_THAT(other.strides, ElementsAre(2, 2, 2, 2));
  // transformers has ReLU between the convolutions of a block whatever `hidden_act` says.
  for (const char* act : {"silu", "gelu", "mish"}) {
    EXPECT_THAT(refusal({{"config.json", fmt::format(R"({{"model_type": "resnet", "hidden_act": "{}"}})", act)}}),
                HasSubstr(fmt::format("config.json says the activation {}", act)));
  }
}

TEST(FileWordsTest, NamesOfTimm) {
  const FileWords words = read_words(file_of({{"arch", R"("resnet50")"}}), {}, find_architecture("resnet50"), "m.pth");
  EXPECT_EQ(words.sources.at("stem_pool"), "arch: resnet50");
  for (const char* name : {"resnetblur50_mine", "resnetv2_50", "resnet50_clip_gap"}) {
    EXPECT_THAT(refusal({{"arch", '"' + std::string(name) + '"'}}), HasSubstr(name));
  }
  const Architecture blurred = said({{"arch", R"("resnetblur50")"}});
  EXPECT_EQ(blurred.antialias, Antialias::kBlur);
  EXPECT_EQ(blurred.last_pool(), StemPool::kMaxBlur);
  const Architecture averaged = said({{"arch", R"("resnetaa50d.sw_in12k")"}}, "resnet50d");
  EXPECT_EQ(averaged.antialias, Antialias::kAverage);
  EXPECT_EQ(averaged.last_pool(), StemPool::kAverage2);
  for (const char* name : {"resnet50d", "wide_resnet50_2", "resnext50_32x4d", "tv_resnet50", "swsl_resnext101_32x8d"}) {
    const TensorFile file = file_of({{"arch", '"' + std::string(name) + '"'}});
    EXPECT_FALSE(read_words(file, {}, find_architecture("resnet50"), "m.pth").sources.empty()) << name;
  }
  EXPECT_THAT(read_words(file_of({{"arch", R"("resnet50_mine")"}}), {}, find_architecture("resnet50"), "m.pth").sources,
              IsEmpty());
}

std::string of_timm(const std::string& arguments) {
  return R"({"architecture": "resnet50", "pretrained_cfg": {}, "global_pool": "avg", "model_args": )" + arguments + "}";
}

TEST(FileWordsTest, ArgumentsOfTimm) {
  EXPECT_EQ(said({{"config.json", of_timm(R"({"num_classes": 7, "in_chans": 3, "global_pool": "avg"})")}}),
            find_architecture("resnet50"));
  EXPECT_EQ(said({{"config.json", R"({"architecture": "resnetblur50", "model_type": "timm_wrapper"})"}}).antialias,
            Antialias::kBlur);
  EXPECT_EQ(said({{"config.json", of_timm(R"({"output_stride": 8})")}}).dilated_stages, 2);
  EXPECT_EQ(said({{"config.json", of_timm(R"({"act_layer": "silu"})")}}).activation, Activation::kSilu);
  EXPECT_THAT(refusal({{"config.json", of_timm(R"({"aa_layer": "avg"})")}}), HasSubstr("says aa_layer \"avg\""));
  EXPECT_THAT(refusal({{"config.json", of_timm(R"({"global_pool": "avgmax"})")}}), HasSubstr("pooling avgmax"));
  EXPECT_THAT(refusal({{"config.json", of_timm(R"({"output_stride": 4})")}}), HasSubstr("output_stride 4"));
  const std::map<std::string, std::string> trained = {
      {"arch", R"("resnet50")"}, {"args.model", R"("resnet50")"}, {"args.model_kwargs", R"({"output_stride": 16})"}};
  EXPECT_EQ(said(trained).dilated_stages, 1);
  try {  // timm pools their shortcuts by a stride of 1
    said(trained, "resnet50d");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("output_stride 16 with average-pooled shortcuts"));
  }
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
}

TEST(FileWordsTest, ActivationsOfModules) {
  const auto network = [](std::vector<std::string> types) {
    std::map<std::string, std::string> values;
    for (std::size_t i = 0; i < types.size(); ++i) values[fmt::format("a{}.__class__", i)] = '"' + types[i] + '"';
    return values;
  };
  EXPECT_EQ(said(network({"transformers.activations.SiLUActivation"})).activation, Activation::kSilu);
  EXPECT_EQ(said(network({"timm.layers.activations.Swish"})).activation, Activation::kSilu);
  EXPECT_EQ(said(network({"torch.nn.modules.activation.Softmax", "my.ConvReLU", "my.ReLU"})).activation,
            Activation::kRelu);
  EXPECT_THAT(refusal(network({"transformers.activations.NewGELUActivation"})), HasSubstr("the activation NewGELU"));
  EXPECT_THAT(refusal(network({"torch.nn.modules.activation.ReLU", "transformers.activations.GELUActivation"})),
              HasSubstr("says ReLU and GELU"));
}

TEST(FileWordsTest, PoolingOfFeatures) {
  for (const char* type :
       {"torch.nn.modules.pooling.AdaptiveMaxPool2d", "timm.layers.adaptive_avgmax_pool.AdaptiveAvgMaxPool2d",
        "timm.layers.adaptive_avgmax_pool.FastAdaptiveAvgPool"}) {
    const std::map<std::string, std::string> values = {{"global_pool.pool.__class__", '"' + std::string(type) + '"'}};
    if (std::string(type).find("Max") == std::string::npos) {
      EXPECT_EQ(said(values), find_architecture("resnet50"));
    } else {
      EXPECT_THAT(refusal(values), HasSubstr("the pooling global_pool.pool"));
    }
  }
}

TEST(FileWordsTest, TwoPoolingsOfFeatures) {
  for (const auto& [type, pool] :
       {std::pair("timm.layers.adaptive_avgmax_pool.AdaptiveCatAvgMaxPool2d", HeadPool::kAverageMax),
        std::pair("fastai.layers.AdaptiveConcatPool2d", HeadPool::kMaxAverage)}) {
    Architecture a = find_architecture("resnet50");
    a.head_pool = HeadPool::kMaxAverage;  // two poolings by the tensors, in the usual order
    const std::map<std::string, std::string> values = {{"global_pool.pool.__class__", '"' + std::string(type) + '"'}};
    read_words(file_of(values), {}, a, "m.pth").changes.apply_to(a);
    EXPECT_EQ(a.head_pool, pool) << type;
  }
}

// The attributes of a ResNet-50's first blocks.
std::map<std::string, std::string> modules_of_resnet50(const std::map<std::string, std::string>& changes) {
  std::map<std::string, std::string> values = {{"conv1.stride", "[2,2]"}, {"bn1.eps", "1e-05"}};
  for (const int stage : {1, 2, 3, 4}) {
    for (const int block : {0, 1}) {
      const std::string path = fmt::format("layer{}.{}.", stage, block);
      values[path + "conv1.stride"] = "[1,1]";
      values[path + "conv2.stride"] = stage > 1 && block == 0 ? "[2,2]" : "[1,1]";
      values[path + "conv2.padding"] = values[path + "conv2.dilation"] = "[1,1]";
    }
  }
  for (const auto& [path, value] : changes) values[path] = value;
  return values;
}

TEST(FileWordsTest, DilationsOfModules) {
  const std::map<std::string, std::string> dilated = {
      {"layer4.0.conv2.stride", "[1,1]"}, {"layer4.1.conv2.dilation", "[2,2]"}, {"layer4.1.conv2.padding", "[2,2]"}};
  const Architecture a = said(modules_of_resnet50(dilated));
  EXPECT_EQ(a.dilated_stages, 1);
  EXPECT_EQ(a.stride_of(3), 2);
  EXPECT_EQ(said(modules_of_resnet50({{"layer4.0.conv2.stride", "[1,1]"}})).stride_of(3), 1);
  EXPECT_THAT(refusal(modules_of_resnet50({{"layer3.0.conv2.stride", "[1,1]"}, {"layer3.1.conv2.dilation", "[2,2]"}})),
              HasSubstr("says layer4 of stride 2 and dilation 1"));
  EXPECT_THAT(refusal(modules_of_resnet50({{"layer2.1.conv2.padding", "[0,0]"}})),
              HasSubstr("says layer2.1.conv2.padding 0 where 1 is expected"));
  EXPECT_THAT(refusal(modules_of_resnet50({{"layer2.0.bn2.eps", "0.1"}})), HasSubstr("layer2.0.bn2.eps 0.1"));
}

TEST(FileWordsTest, AntialiasingOfModules) {
  const auto smooth = [](const std::string& type) {
    std::map<std::string, std::string> values;
    for (const char* stage : {"2", "3", "4"}) {
      const std::string block = std::string("layer") + stage + ".0.";
      values[block + "conv2.stride"] = "[1,1]";
      values[block + "aa.__class__"] = '"' + type + '"';
      values[block + "aa.stride"] = "2";
    }
    return values;
  };
  const Architecture averaged = said(modules_of_resnet50(smooth("torch.nn.modules.pooling.AvgPool2d")));
  EXPECT_EQ(averaged.antialias, Antialias::kAverage);
  EXPECT_EQ(averaged.stride_of(1), 2);
  auto blurs = smooth("timm.layers.blur_pool.BlurPool2d");
  EXPECT_EQ(said(modules_of_resnet50(blurs)).antialias, Antialias::kBlur);
  blurs["layer2.0.aa.filt_size"] = "5";
  EXPECT_THAT(refusal(modules_of_resnet50(blurs)), HasSubstr("anti-aliasing (layer2.0.aa: timm.layers.blur_pool"));
  blurs["layer2.0.aa.filt_size"] = "3";
  blurs["layer2.0.aa.pad_mode"] = R"("constant")";
  EXPECT_THAT(refusal(modules_of_resnet50(blurs)), HasSubstr("anti-aliasing"));
  EXPECT_THAT(refusal({{"layer2.0.conv2.0.__class__", R"("antialiased_cnns.BlurPool")"}}), HasSubstr("anti-aliasing"));
}

// Of modules under other names than torchvision's.
TEST(FileWordsTest, ModulesByTheirOwnNames) {
  Finding finding;
  finding.prefix = "net.";
  finding.map = {{"net.stem.c.weight", "conv1.weight"}, {"net.stem.n.weight", "bn1.weight"}};
  const std::map<std::string, std::string> values = {
      {"net.stem.c.stride", "[1,1]"},
      {"net.stem.n.eps", "0.01"},
      {"net.stem.p.__class__", R"("torch.nn.modules.pooling.MaxPool2d")"},
      {"net.stem.p.kernel_size", "2"},
      {"net.stem.p.stride", "2"},
      {"net.stem.p.padding", "0"}};
  Architecture a = find_architecture("resnet50");
  read_words(file_of(values), finding, a, "m.pth").changes.apply_to(a);
  EXPECT_EQ(a.stem_stride, 1);
  EXPECT_EQ(a.bn_eps, 0.01);
  EXPECT_EQ(a.stem_pool, StemPool::kMax2);
}

TEST(FileWordsTest, Preprocessing) {
  const auto how = [](const char* name, const char* text) {
    return read_words(file_of({{name, text}}), {}, find_architecture("resnet50"), "m.pth").preprocessing;
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
