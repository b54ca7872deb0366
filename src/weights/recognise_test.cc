// Heads, several networks in one file, weights in other forms, and what is refused.
#include "weights/recognise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "weights/test_foreign_file.h"

namespace resnet {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::string without_head(const std::string& name) { return name.starts_with("fc.") ? "" : name; }

auto head_as(const std::string& module) {
  return [module](const std::string& name) { return name.starts_with("fc.") ? module + name.substr(2) : name; };
}

void expect_equal(const Tensor& a, const Tensor& b, const std::string& name) {
  ASSERT_EQ(a.shape(), b.shape()) << name;
  EXPECT_TRUE(std::ranges::equal(a.bytes(), b.bytes())) << name;
}

TEST(RecogniseTest, HeadsUnderAnyName) {
  const StateDict weights = weights_of(small());
  for (const char* head : {"fc", "linear", "classifier", "head", "fc.1", "classifier.0", "last_linear", "output",
                           "head.fc", "cls_head.fc_cls", "logits", "heads.0.layers.2"}) {
    const Model model = ForeignFile().add(weights, "", head_as(head)).load();
    EXPECT_EQ(model.finding.head, head);
    expect_equal(model.weights.at("fc.weight"), weights.at("fc.weight"), head);
    expect_equal(model.weights.at("fc.bias"), weights.at("fc.bias"), head);
  }
  const Model outside = ForeignFile()
                            .add(weights, "model.backbone.", without_head)
                            .add("model.cls.weight", weights.at("fc.weight"))
                            .add("model.cls.bias", weights.at("fc.bias"))
                            .load();
  EXPECT_EQ(outside.finding.prefix, "model.backbone.");
  EXPECT_EQ(outside.finding.head, "model.cls");
}

// A vision transformer on a network's features, a decoder behind an encoder, centres of an embedding.
TEST(RecogniseTest, AHostileNameMakesNoLongLine) {
  const std::string hostile(200, '\1');
  ForeignFile file;
  file.add(weights_of(small()), hostile + ".net.", without_head)
      .add(hostile + ".proj.weight", weights_of(small()).at("fc.weight"))
      .add(hostile + "decoder.weight", numbers({12, 5}));
  const std::string refusal = file.refusal();
  EXPECT_THAT(refusal, HasSubstr("is a part of a larger one"));
}

TEST(RecogniseTest, ALayerThatHandsFeaturesOnIsNoHead) {
  const StateDict weights = weights_of(small());
  for (const char* more : {"blocks.0.attn.qkv.weight", "decoder.lstm.weight_ih_l0", "centres.weight"}) {
    ForeignFile file;
    file.add(weights, "patch_embed.backbone.", without_head)
        .add("patch_embed.proj.weight", weights.at("fc.weight"))
        .add(more, numbers({12, 5}));
    EXPECT_THAT(file.refusal(), AllOf(HasSubstr("is a part of a larger one: patch_embed.proj reads its features"),
                                      HasSubstr(more), HasSubstr("--head patch_embed.proj")));
    LoadOptions options;
    options.head = "patch_embed.proj";
    EXPECT_EQ(file.load(options).architecture.classes, 5);
    options.head = "none";
    EXPECT_EQ(file.load(options).architecture.classes, 0);
  }
  const Model plain = ForeignFile()
                          .add(weights, "model.")
                          .add("class_weights", numbers({5}))
                          .add("memory", numbers({12, 16}))
                          .add("optimizer.state.0.weight", numbers({5, 16}))
                          .load();
  EXPECT_EQ(plain.finding.head, "model.fc");
}

TEST(RecogniseTest, HeadsOfDinoAreProjections) {
  const StateDict weights = weights_of(small());
  const Model model = ForeignFile()
                          .add(weights, "teacher.backbone.", without_head)
                          .add("teacher.head.mlp.0.weight", numbers({4, 16}))
                          .add("teacher.head.mlp.2.weight", numbers({3, 4}))
                          .add("teacher.head.last_layer.weight_v", numbers({9, 3}))
                          .add(weights, "student.module.backbone.", without_head)
                          .add("student.module.head.mlp.0.weight", numbers({4, 16}))
                          .load();
  EXPECT_EQ(model.finding.prefix, "teacher.backbone.");
  EXPECT_EQ(model.architecture.classes, 0);
}

// TorchScript keeps the filters of timm's blurs among its tensors.
TEST(RecogniseTest, BlursThatAreTensors) {
  constexpr float kRow[] = {0.25F, 0.5F, 0.25F};
  Tensor filter = Tensor::zeros(DType::kF32, {8, 1, 3, 3});
  for (std::size_t i = 0; i < filter.f32().size(); ++i) {
    filter.mutable_f32()[i] = kRow[i / 3 % 3] * kRow[i % 3];
  }
  const StateDict weights = weights_of(small());
  const Model model =
      ForeignFile().add(weights, "").add("layer2.0.aa.filt", filter).add("maxpool.1.filt", filter).load();
  EXPECT_EQ(model.architecture.antialias, Antialias::kBlur);
  EXPECT_EQ(model.architecture.last_pool(), StemPool::kMaxBlur);
  EXPECT_THAT(ForeignFile().add(weights, "").add("layer2.0.conv2.1.filt", filter).refusal(),
              HasSubstr("another blur than timm's, which this program does not have: layer2.0.conv2.1.filt"));
  filter.mutable_f32()[4] = 0.5F;
  EXPECT_THAT(ForeignFile().add(weights, "").add("layer2.0.aa.filt", filter).refusal(), HasSubstr("another blur"));
}

// fastai's xresnet: where something without tensors stands before a shortcut's convolution, that is a pooling.
TEST(RecogniseTest, PooledShortcutsUnderNamesOfNobody) {
  const StateDict weights = weights_of(small());
  const auto named = [](const char* shortcut) {
    return [=](const std::string& name) {
      std::string other = name;
      const std::vector<std::pair<std::string, std::string>> pairs = {{"downsample.0.", std::string(shortcut) + ".0."},
                                                                      {"downsample.1.", std::string(shortcut) + ".1."},
                                                                      {"conv1.", "path.0.0."},
                                                                      {"bn1.", "path.0.1."},
                                                                      {"conv2.", "path.1.0."},
                                                                      {"bn2.", "path.1.1."},
                                                                      {"layer", "odd.part"}};
      for (const auto& [from, to] : pairs) {
        if (const std::size_t at = other.find(from); at != std::string::npos) {
          other.replace(at, from.size(), to);
        }
      }
      return other;
    };
  };
  const Model pooled = ForeignFile().add(weights, "", named("id.1")).load();
  EXPECT_TRUE(pooled.finding.by_order);
  EXPECT_EQ(pooled.architecture.shortcut, Shortcut::kAveragePool);
  const ForeignFile plain = ForeignFile().add(weights, "", named("id.0"));
  const Model assumed = plain.load();
  EXPECT_EQ(assumed.architecture.shortcut, Shortcut::kProjection);
  EXPECT_EQ(assumed.finding.assumed.front().name, "shortcut");
  LoadOptions options;
  options.changes.set(&Architecture::shortcut, Shortcut::kAveragePool);
  const Model told = plain.load(options);
  EXPECT_EQ(told.architecture.shortcut, Shortcut::kAveragePool);
  expect_equal(told.weights.at("layer2.0.downsample.1.weight"), weights.at("layer2.0.downsample.0.weight"), "shortcut");
}

TEST(RecogniseTest, HeadsWithoutBiasAndAsConvolutions) {
  const StateDict weights = weights_of(small());
  const Model model =
      ForeignFile().add(weights, "", without_head).add("classifier.weight", weights.at("fc.weight")).load();
  expect_equal(model.weights.at("fc.bias"), Tensor::zeros(DType::kF32, {5}), "bias");
  const Tensor flat = weights.at("fc.weight").copy();
  const auto owner = std::make_shared<const Tensor>(flat);
  const Model conv = ForeignFile()
                         .add(weights, "", without_head)
                         .add("fc.weight", Tensor::view(DType::kF32, {5, 16, 1, 1}, owner->bytes(), owner))
                         .add("fc.bias", weights.at("fc.bias"))
                         .load();
  expect_equal(conv.weights.at("fc.weight"), flat, "weight");
  expect_equal(conv.weights.at("fc.bias"), weights.at("fc.bias"), "bias");
  EXPECT_THAT(conv.finding.notes, ElementsAre(HasSubstr("1x1 convolution fc")));
}

TEST(RecogniseTest, SeveralHeads) {
  const StateDict weights = weights_of(small());
  const auto file = [&] {
    return ForeignFile()
        .add(weights, "", without_head)
        .add("age.weight", numbers({3, 16}))
        .add("age.bias", numbers({3}))
        .add("sex.weight", numbers({2, 16}))
        .add("sex.bias", numbers({2}));
  };
  EXPECT_EQ(file().refusal(), "m.pth: the network has 2 heads: age (16 to 3), sex (16 to 2); --head NAME takes one");
  const Model model = file().load({.head = "sex"});
  EXPECT_EQ(model.architecture.classes, 2);
  EXPECT_THAT(model.finding.heads, ElementsAre("age", "sex"));
  EXPECT_THAT(file().refusal({.head = "none of them"}), HasSubstr("there are age, sex"));
}

// W (s x + t) + b, with s and t of the batch norm.
TEST(RecogniseTest, ABatchNormBeforeTheClassifierIsTakenIn) {
  const StateDict weights = weights_of(small());
  const Tensor scale = numbers({16}), shift = numbers({16}, -2), mean = numbers({16}, 0.5F), var = numbers({16}, 2);
  const Model model = ForeignFile()
                          .add(weights, "", without_head)
                          .add("fc.0.weight", scale)
                          .add("fc.0.bias", shift)
                          .add("fc.0.running_mean", mean)
                          .add("fc.0.running_var", var)
                          .add("fc.1.weight", weights.at("fc.weight"))
                          .add("fc.1.bias", weights.at("fc.bias"))
                          .load();
  const Tensor x = numbers({16}, 0, 0.1F);
  for (std::size_t row = 0; row < 5; ++row) {
    double expected = weights.at("fc.bias").f32()[row];
    double actual = model.weights.at("fc.bias").f32()[row];
    for (std::size_t i = 0; i < 16; ++i) {
      const double normed =
          (x.f32()[i] - mean.f32()[i]) / std::sqrt(var.f32()[i] + 1e-5) * scale.f32()[i] + shift.f32()[i];
      expected += weights.at("fc.weight").f32()[row * 16 + i] * normed;
      actual += model.weights.at("fc.weight").f32()[row * 16 + i] * x.f32()[i];
    }
    EXPECT_NEAR(actual, expected, 1e-5);
  }
  // Something without tensors, which may be a ReLU, stands between them.
  EXPECT_THAT(ForeignFile()
                  .add(weights, "", without_head)
                  .add("fc.0.running_mean", mean)
                  .add("fc.0.running_var", var)
                  .add("fc.2.weight", weights.at("fc.weight"))
                  .refusal(),
              HasSubstr("fc.2 (16 to 5), and fc.0 (batch norm)"));
}

TEST(RecogniseTest, OfSeveralNetworksTheOneThatItsToolTakes) {
  const StateDict first = weights_of(small(), 1);
  const StateDict second = weights_of(small(), 2);
  const auto taken = [&](const std::string& a, const std::string& b, const LoadOptions& options = {}) {
    const Model model = ForeignFile().add(first, a).add(second, b).load(options);
    return std::ranges::equal(model.weights.at("conv1.weight").bytes(), first.at("conv1.weight").bytes()) ? a : b;
  };
  EXPECT_EQ(taken("state_dict.", "state_dict_ema."), "state_dict_ema.") << "timm's create_model()";
  EXPECT_EQ(taken("model.", "model_ema."), "model.");
  EXPECT_EQ(taken("student.module.backbone.", "teacher.backbone."), "teacher.backbone.") << "DINO";
  EXPECT_EQ(taken("state_dict.module.", "state_dict_ema.", {.take = "state_dict"}), "state_dict.module.");
  EXPECT_EQ(taken("model.", "ema.", {.take = "ema"}), "ema.");

  const auto two = [&](const StateDict& other) {
    return ForeignFile().add(first, "models.0.").add(other, "models.1.");
  };
  EXPECT_EQ(two(second).refusal(), "m.pth: holds 2 networks: `models.0.`, `models.1.`; --take NAME takes one");
  EXPECT_EQ(two(second).load({.take = "models.1"}).finding.prefix, "models.1.");
  EXPECT_THAT(two(second).refusal({.take = "models"}), HasSubstr("several are called 'models'"));
  EXPECT_THAT(two(second).refusal({.take = "x"}), HasSubstr("no network is called 'x'; there are `models.0.`"));

  // A teacher of another kind is no average.
  EXPECT_THAT(ForeignFile().add(first, "student.").add(weights_of(small(Block::kBottleneck)), "teacher.").refusal(),
              HasSubstr("holds 2 networks"));
  const Model said = ForeignFile().add(first, "state_dict.").add(second, "state_dict_ema.").load();
  EXPECT_THAT(said.finding.notes, ElementsAre(AllOf(HasSubstr("state_dict_ema"), HasSubstr("--take"))));
  EXPECT_THAT(said.finding.others, ElementsAre("state_dict."));
}

TEST(RecogniseTest, BookkeepingIsPassedOver) {
  const StateDict weights = weights_of(small());
  const Tensor one = numbers({1});
  const Model model = ForeignFile()
                          .add(weights, "state_dict.model.")
                          .add("state_dict.model.total_ops", one)
                          .add("state_dict.model.layer1.0.total_params", one)
                          .add("state_dict.criterion.weight", numbers({5}))
                          .add("state_dict.train_acc.tp", one)
                          .add("state_dict.queue", numbers({16, 8}))
                          .add("optimizer.state.layer1.0.conv1.weight.exp_avg", numbers({8, 8, 3, 3}))
                          .add("optimizer.state.0.momentum_buffer", numbers({5, 16}))
                          .load();
  EXPECT_EQ(model.finding.passed_over.size(), 7U);
  EXPECT_THAT(model.finding.notes, IsEmpty());
}

TEST(RecogniseTest, BuffersThatPreparePicturesBecomeThePreprocessing) {
  const StateDict weights = weights_of(small());
  const Model model = ForeignFile()
                          .add(weights, "model.")
                          .add("normalize.mean", numbers({1, 3, 1, 1}, 0, 0.25F))
                          .add("normalize.std", numbers({1, 3, 1, 1}, 0, 0.5F))
                          .load();
  ASSERT_TRUE(model.preprocessing);
  EXPECT_THAT(model.preprocessing->mean, ElementsAre(0.25F, 0.5F, 0.75F));
  EXPECT_THAT(model.preprocessing->std, ElementsAre(0.5F, 1.0F, 1.5F));
  EXPECT_THAT(model.finding.notes, ElementsAre(HasSubstr("normalize.mean")));
  const Model bytes = ForeignFile()
                          .add(weights, "backbone.")
                          .add("pixel_mean", numbers({3}, 0, 51))
                          .add("pixel_std", numbers({3}, 0, 51))
                          .load();
  EXPECT_FLOAT_EQ(bytes.preprocessing.value().mean[0], 0.2F);
}

TEST(RecogniseTest, WhatAFileSaysOfItsNetworkMustBePossible) {
  for (const auto& [path, value] : {std::pair("bn1.eps", "0"), {"bn1.eps", "8"}, {"conv1.stride", "[100000,100000]"}}) {
    std::map<std::string, std::string> values = {{"conv1.stride", "[2,2]"}, {"bn1.eps", "1e-05"}};
    values[path] = value;
    ForeignFile file;
    file.add(weights_of(small()), "").say(values);
    EXPECT_THAT(file.refusal(), AllOf(StartsWith("m.pth: "), HasSubstr("cannot be"))) << path;
  }
}

TEST(RecogniseTest, WhatTensorsDoNotTellIsTakenFromFlagsElseAssumedAloud) {
  const ForeignFile file = ForeignFile().add(weights_of(small()), "");
  const Model model = file.load();
  const auto assumed = [](const Model& loaded, const std::string& name) {
    for (const ToldField& field : loaded.finding.assumed) {
      if (field.name == name) return field.value;
    }
    return std::string("not assumed");
  };
  EXPECT_EQ(assumed(model, "stem_pool"), "max");
  EXPECT_EQ(assumed(model, "bn_eps"), "1e-05");
  LoadOptions options;
  options.changes.set(&Architecture::stem_pool, StemPool::kNone);
  const Model told = file.load(options);
  EXPECT_EQ(told.architecture.stem_pool, StemPool::kNone);
  EXPECT_EQ(assumed(told, "stem_pool"), "not assumed");
}

// Tensors of a block or behind it that the network does not have are never left out in silence.
TEST(RecogniseTest, NetworksThatLookLikeOursAreRefused) {
  const StateDict weights = weights_of(small());
  const auto with = [&](const std::string& name, const Tensor& tensor) {
    return ForeignFile().add(weights, "net.").add("net." + name, tensor).refusal();
  };
  EXPECT_THAT(with("layer1.0.se.fc1.weight", numbers({2, 8, 1, 1})), HasSubstr("squeeze-and-excitation"));
  EXPECT_THAT(with("layer2.0.se.fc1.weight", numbers({2, 16})), HasSubstr("squeeze-and-excitation"));
  EXPECT_THAT(with("layer2.0.mixer.attn.fc_reduce.weight", numbers({2, 16})), HasSubstr("SKNet"));
  EXPECT_THAT(with("layer1.0.bn1.IN.weight", numbers({8})), HasSubstr("IBN"));
  EXPECT_THAT(with("layer1.0.scale", numbers({1})), HasSubstr("unexpected layer1.0.scale"));
  EXPECT_THAT(with("attnpool.k_proj.weight", numbers({16, 16})), HasSubstr("attention pooling (CLIP)"));
  EXPECT_THAT(with("temperature", numbers({1})), HasSubstr("temperature"));
  const auto group_norm = [](const std::string& name) {
    return name.find("running") != name.npos || name.find("tracked") != name.npos ? "" : name;
  };
  EXPECT_THAT(ForeignFile().add(weights, "", group_norm).refusal(), HasSubstr("bn1 has no running_mean"));
  const auto preact = [](const std::string& name) { return name.starts_with("bn1.") ? "" : name; };
  EXPECT_THAT(ForeignFile().add(weights, "", preact).refusal(), HasSubstr("missing bn1.weight"));
}

TEST(RecogniseTest, WithoutAClassifier) {
  const StateDict weights = weights_of(find_architecture("resnet18"));
  const Model model = ForeignFile()
                          .add(weights, "module.encoder_q.", without_head)
                          .add("module.encoder_q.fc.0.weight", numbers({512, 512}))
                          .add("module.encoder_q.fc.2.weight", numbers({8, 512}))
                          .load();
  EXPECT_EQ(model.architecture.classes, 0);
  EXPECT_EQ(model.architecture.name, "resnet18");
  EXPECT_THAT(model.finding.notes, ElementsAre(HasSubstr("`module.encoder_q.` holds a resnet18 without a classifier; "
                                                         "module.encoder_q.fc.0.weight is none")));
  EXPECT_EQ(ForeignFile().add(weights, "").load({.head = "none"}).architecture.classes, 0);
}

TEST(RecogniseTest, PrunedAndNormedWeightsAreMadePlain) {
  const StateDict weights = weights_of(small());
  const Tensor w = weights.at("layer1.0.conv1.weight");
  const auto without = [](const std::string& name) { return name == "layer1.0.conv1.weight" ? "" : name; };
  const auto conv = [](const Model& model) { return model.weights.at("layer1.0.conv1.weight"); };
  Tensor mask = Tensor::zeros(DType::kF32, w.shape());
  for (std::size_t i = 0; i < mask.f32().size(); i += 2) mask.mutable_f32()[i] = 1;

  const Tensor pruned = conv(ForeignFile()
                                 .add(weights, "", without)
                                 .add("layer1.0.conv1.weight_orig", w)
                                 .add("layer1.0.conv1.weight_mask", mask)
                                 .load());
  for (std::size_t i = 0; i < w.f32().size(); ++i) EXPECT_EQ(pruned.f32()[i], i % 2 == 0 ? w.f32()[i] : 0);

  // g is twice the norm: the weights double.
  Tensor g = Tensor::zeros(DType::kF32, {8, 1, 1, 1});
  for (std::size_t row = 0; row < 8; ++row) {
    double sum = 0;
    for (const float value : w.f32().subspan(row * 72, 72)) sum += static_cast<double>(value) * value;
    g.mutable_f32()[row] = static_cast<float>(2 * std::sqrt(sum));
  }
  for (const auto& [g_name, v_name] :
       {std::pair("weight_g", "weight_v"),
        std::pair("parametrizations.weight.original0", "parametrizations.weight.original1")}) {
    const Model model = ForeignFile()
                            .add(weights, "", without)
                            .add(std::string("layer1.0.conv1.") + g_name, g)
                            .add(std::string("layer1.0.conv1.") + v_name, w)
                            .load();
    for (std::size_t i = 0; i < w.f32().size(); ++i) EXPECT_NEAR(conv(model).f32()[i], 2 * w.f32()[i], 1e-6);
    EXPECT_THAT(model.finding.notes, ElementsAre(HasSubstr("weight norm")));
  }

  // u'Wv with unit vectors picks one weight, by which all are divided.
  Tensor u = Tensor::zeros(DType::kF32, {8});
  Tensor v = Tensor::zeros(DType::kF32, {72});
  u.mutable_f32()[3] = v.mutable_f32()[5] = 1;
  const Tensor spectral = conv(ForeignFile()
                                   .add(weights, "", without)
                                   .add("layer1.0.conv1.weight_orig", w)
                                   .add("layer1.0.conv1.weight_u", u)
                                   .add("layer1.0.conv1.weight_v", v)
                                   .load());
  for (std::size_t i = 0; i < w.f32().size(); ++i) {
    EXPECT_NEAR(spectral.f32()[i], w.f32()[i] / w.f32()[3 * 72 + 5], 1e-4);
  }
  EXPECT_THAT(
      ForeignFile().add(weights, "", without).add("layer1.0.conv1.parametrizations.weight.original", w).refusal(),
      HasSubstr("parametrized in a way that is not known"));
}

TEST(RecogniseTest, FusedConvolutionsGetNormsThatAddTheirBiases) {
  const StateDict weights = weights_of(small());
  ForeignFile file;
  std::map<std::string, Tensor> biases;
  for (const auto& [name, tensor] : weights) {
    if (tensor.shape().size() == 4) {
      biases[name] = numbers({tensor.shape()[0]});
      file.add(name, tensor).add(name.substr(0, name.size() - 6) + "bias", biases[name]);
    } else if (name.starts_with("fc.")) {
      file.add(name, tensor);
    }
  }
  const Model model = file.load();
  EXPECT_EQ(model.architecture, small());
  expect_equal(model.weights.at("layer2.0.downsample.1.bias"), biases["layer2.0.downsample.0.weight"], "bias");
  for (const float var : model.weights.at("bn1.running_var").f32()) EXPECT_EQ(std::sqrt(var + 1e-5F), 1.0F);
  LoadOptions other;
  other.changes.set(&Architecture::bn_eps, 0.25);
  const Model with_eps = file.load(other);
  for (const float var : with_eps.weights.at("bn1.running_var").f32()) EXPECT_EQ(var, 0.75F);
  EXPECT_THAT(model.finding.notes, ElementsAre(HasSubstr("batch norms were taken into convolutions")));
}

}  // namespace
}  // namespace resnet
