// One small network under the names that programs give, loaded as the same network.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "resnet/model_file.h"
#include "weights/initialize.h"
#include "weights/tensor_names.h"

namespace resnet {
namespace {

using ::testing::HasSubstr;

// What a tensor of the canonical network is.
struct Part {
  enum Kind { kStemConv, kStemNorm, kConv, kNorm, kShortcutConv, kShortcutNorm, kHead } kind = kHead;
  int stage = 0;  // from 1
  int block = 0;  // from 0
  int layer = 0;  // from 1
  std::string leaf;
};

Part part_of(const std::string& name) {
  Part part;
  part.leaf = name.substr(name.rfind('.') + 1);
  int number = 0;
  if (std::sscanf(name.c_str(), "layer%d.%d.conv%d.", &part.stage, &part.block, &part.layer) == 3) {
    part.kind = Part::kConv;
  } else if (std::sscanf(name.c_str(), "layer%d.%d.bn%d.", &part.stage, &part.block, &part.layer) == 3) {
    part.kind = Part::kNorm;
  } else if (std::sscanf(name.c_str(), "layer%d.%d.downsample.%d.", &part.stage, &part.block, &number) == 3) {
    part.kind = number == 0 ? Part::kShortcutConv : Part::kShortcutNorm;
  } else if (name.starts_with("conv1.")) {
    part.kind = Part::kStemConv;
  } else if (name.starts_with("bn1.")) {
    part.kind = Part::kStemNorm;
  }
  return part;
}

// Paths of modules with {s}, {b}, {i} for stage, block and layer, each from its first number.
struct Form {
  const char* whose;
  const char* stem_conv;
  const char* stem_norm;
  const char* conv;
  const char* norm;
  const char* shortcut_conv;
  const char* shortcut_norm;
  const char* head;
  int stage = 1, block = 0, layer = 1;
  int conv_step = 1, norm_step = 1, first_norm = -1;  // of Sequentials
  bool one_word = false;                              // '_' and Caffe2's leaves
};

std::string filled(std::string path, const Form& form, const Part& part) {
  const auto put = [&](const char* mark, int number) {
    for (std::size_t at; (at = path.find(mark)) != std::string::npos;) path.replace(at, 3, std::to_string(number));
  };
  const bool norm = part.kind == Part::kNorm;
  const int first = norm && form.first_norm >= 0 ? form.first_norm : form.layer;
  put("{s}", part.stage - 1 + form.stage);
  put("{b}", part.block + form.block);
  put("{i}", first + (part.layer - 1) * (norm ? form.norm_step : form.conv_step));
  if (const std::size_t at = path.find("{a}"); at != std::string::npos) {
    path.replace(at, 3, std::string(1, static_cast<char>('a' + part.layer - 1)));
  }
  return path;
}

std::string name_in(const Form& form, const Part& part) {
  const char* paths[] = {form.stem_conv,     form.stem_norm,     form.conv, form.norm,
                         form.shortcut_conv, form.shortcut_norm, form.head};
  const std::string path = filled(paths[part.kind], form, part);
  if (!form.one_word) return path + "." + part.leaf;
  const bool norm = path.ends_with("_bn");
  if (part.leaf == "weight") return path + (norm ? "_s" : "_w");
  if (part.leaf == "bias") return path + "_b";
  if (part.leaf == "running_mean") return path + "_rm";
  if (part.leaf == "running_var") return path + "_riv";
  return "";
}

const Form kForms[] = {
    {"torchvision", "conv1", "bn1", "layer{s}.{b}.conv{i}", "layer{s}.{b}.bn{i}", "layer{s}.{b}.downsample.0",
     "layer{s}.{b}.downsample.1", "fc"},
    {"DataParallel", "module.conv1", "module.bn1", "module.layer{s}.{b}.conv{i}", "module.layer{s}.{b}.bn{i}",
     "module.layer{s}.{b}.downsample.0", "module.layer{s}.{b}.downsample.1", "module.fc"},
    {"Lightning", "state_dict.net._orig_mod.conv1", "state_dict.net._orig_mod.bn1",
     "state_dict.net._orig_mod.layer{s}.{b}.conv{i}", "state_dict.net._orig_mod.layer{s}.{b}.bn{i}",
     "state_dict.net._orig_mod.layer{s}.{b}.downsample.0", "state_dict.net._orig_mod.layer{s}.{b}.downsample.1",
     "state_dict.net._orig_mod.fc"},
    {"kuangliu", "conv1", "bn1", "layer{s}.{b}.conv{i}", "layer{s}.{b}.bn{i}", "layer{s}.{b}.shortcut.0",
     "layer{s}.{b}.shortcut.1", "linear"},
    {"Cadene", "conv1", "bn1", "layer{s}.{b}.conv{i}", "layer{s}.{b}.bn{i}", "layer{s}.{b}.downsample.0",
     "layer{s}.{b}.downsample.1", "last_linear"},
    {"Hugging Face", "resnet.embedder.embedder.convolution", "resnet.embedder.embedder.normalization",
     "resnet.encoder.stages.{s}.layers.{b}.layer.{i}.convolution",
     "resnet.encoder.stages.{s}.layers.{b}.layer.{i}.normalization",
     "resnet.encoder.stages.{s}.layers.{b}.shortcut.convolution",
     "resnet.encoder.stages.{s}.layers.{b}.shortcut.normalization", "classifier.1", 0, 0, 0},
    {"MMPretrain", "state_dict.backbone.conv1", "state_dict.backbone.bn1", "state_dict.backbone.layer{s}.{b}.conv{i}",
     "state_dict.backbone.layer{s}.{b}.bn{i}", "state_dict.backbone.layer{s}.{b}.downsample.0",
     "state_dict.backbone.layer{s}.{b}.downsample.1", "state_dict.head.fc"},
    {"detectron2", "model.stem.conv1", "model.stem.conv1.norm", "model.res{s}.{b}.conv{i}",
     "model.res{s}.{b}.conv{i}.norm", "model.res{s}.{b}.shortcut", "model.res{s}.{b}.shortcut.norm", "model.linear", 2},
    {"nn.Sequential", "backbone.0", "backbone.1", "backbone.{s}.{b}.conv{i}", "backbone.{s}.{b}.bn{i}",
     "backbone.{s}.{b}.downsample.0", "backbone.{s}.{b}.downsample.1", "head", 4},
    {"nn.Sequential without pooling", "0", "1", "{s}.{b}.conv{i}", "{s}.{b}.bn{i}", "{s}.{b}.downsample.0",
     "{s}.{b}.downsample.1", "9", 3},
    {"weiaicunzai", "conv1.0", "conv1.1", "conv{s}_x.{b}.residual_function.{i}", "conv{s}_x.{b}.residual_function.{i}",
     "conv{s}_x.{b}.shortcut.0", "conv{s}_x.{b}.shortcut.1", "fc", 2, 0, 0, 3, 3, 1},
    {"a Sequential without ReLU", "conv1", "bn1", "layer{s}.{b}.left.{i}", "layer{s}.{b}.left.{i}",
     "layer{s}.{b}.shortcut.0", "layer{s}.{b}.shortcut.1", "fc", 1, 0, 0, 2, 2, 1},
    {"pytorchcv", "features.init_block.conv.conv", "features.init_block.conv.bn",
     "features.stage{s}.unit{b}.body.conv{i}.conv", "features.stage{s}.unit{b}.body.conv{i}.bn",
     "features.stage{s}.unit{b}.identity_conv.conv", "features.stage{s}.unit{b}.identity_conv.bn", "output", 1, 1},
    {"NVIDIA", "conv1", "bn1", "layers.{s}.{b}.conv{i}", "layers.{s}.{b}.bn{i}", "layers.{s}.{b}.downsample.0",
     "layers.{s}.{b}.downsample.1", "fc", 0},
    {"MoCo's linear evaluation", "state_dict.module.conv1", "state_dict.module.bn1",
     "state_dict.module.layer{s}.{b}.conv{i}", "state_dict.module.layer{s}.{b}.bn{i}",
     "state_dict.module.layer{s}.{b}.downsample.0", "state_dict.module.layer{s}.{b}.downsample.1",
     "state_dict.module.fc"},
    {"Detectron", "conv1", "res_conv1_bn", "res{s}_{b}_branch2{a}", "res{s}_{b}_branch2{a}_bn", "res{s}_{b}_branch1",
     "res{s}_{b}_branch1_bn", "pred", 2, 0, 1, 1, 1, -1, true},
    {"stages and blocks", "stem.conv", "stem.bn", "stages.{s}.blocks.{b}.conv{i}.conv",
     "stages.{s}.blocks.{b}.conv{i}.bn", "stages.{s}.blocks.{b}.shortcut.conv", "stages.{s}.blocks.{b}.shortcut.bn",
     "head.fc", 0},
    {"nobody", "net.first.c", "net.first.n", "net.trunk.g{s}.u{b}.c{i}", "net.trunk.g{s}.u{b}.n{i}",
     "net.trunk.g{s}.u{b}.side.c", "net.trunk.g{s}.u{b}.side.n", "net.answer"},
};

Architecture small(Block block) {
  Architecture a;
  a.block = block;
  a.depths = {2, 1, 2};
  a.widths = {8, 16, 32};
  a.stem_width = 8;
  a.classes = 7;
  return a;
}

TensorFile renamed(const StateDict& weights, const Form& form) {
  TensorFile file;
  file.format = "torch-zip";
  for (const auto& [name, tensor] : weights) {
    const std::string other = name_in(form, part_of(name));
    if (!other.empty()) file.tensors.add(other, tensor);
  }
  return file;
}

TensorFile sorted(const TensorFile& file) {
  std::vector<StateDict::Entry> entries(file.tensors.begin(), file.tensors.end());
  std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  TensorFile result;
  result.format = "safetensors";
  for (auto& [name, tensor] : entries) result.tensors.add(std::move(name), std::move(tensor));
  return result;
}

// The values alone: Caffe2 has no counters.
void expect_weights(const Model& model, const StateDict& weights, const std::string& form) {
  ASSERT_EQ(model.weights.size(), weights.size()) << form;
  for (const auto& [name, tensor] : weights) {
    const Tensor* found = model.weights.find(name);
    ASSERT_NE(found, nullptr) << form << ": " << name;
    EXPECT_EQ(found->shape(), tensor.shape()) << form << ": " << name;
    if (tensor.dtype() == DType::kI64) continue;
    EXPECT_TRUE(std::ranges::equal(found->bytes(), tensor.bytes())) << form << ": " << name;
  }
}

// Each tensor has values of its own, so that none can be taken for another.
StateDict distinct_weights(const Architecture& architecture) {
  StateDict result;
  float next = 1;
  for (const auto& [name, tensor] : initial_weights(expand(architecture), 1)) {
    if (tensor.dtype() != DType::kF32) {
      result.add(name, tensor);
      continue;
    }
    Tensor copy = tensor.copy();
    for (float& value : copy.mutable_f32()) value = next;
    next += 1;
    result.add(name, copy);
  }
  return result;
}

TEST(NameFormsTest, OneNetworkUnderManyNames) {
  for (const Block block : {Block::kBasic, Block::kBottleneck}) {
    const StateDict weights = distinct_weights(small(block));
    for (const Form& form : kForms) {
      for (const bool sort : {false, true}) {
        SCOPED_TRACE(std::string(form.whose) + (sort ? ", sorted" : ""));
        TensorFile file = renamed(weights, form);
        Model model;
        ASSERT_NO_THROW(model = load_model(sort ? sorted(file) : file, "m.pth")) << [&] {
          try {
            load_model(sort ? sorted(file) : file, "m.pth");
          } catch (const Error& error) {
            return std::string(error.what());
          }
          return std::string();
        }();
        Architecture expected = small(block);  // networks of these stride on the first 1x1
        const bool first = std::string(form.whose).starts_with("Detectron") || form.whose == std::string("detectron2");
        expected.stride_on_first = first && block == Block::kBottleneck;
        EXPECT_EQ(model.architecture, expected);
        expect_weights(model, weights, form.whose);
      }
    }
  }
}

}  // namespace
}  // namespace resnet
