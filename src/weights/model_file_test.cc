#include "resnet/model_file.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>

#include "formats/safetensors.h"
#include "formats/test_files.h"
#include "resnet/graph.h"
#include "weights/initialize.h"
#include "weights/metadata.h"
#include "weights/test_models.h"

namespace resnet {
namespace {

using ::testing::HasSubstr;

class ModelFileTest : public FormatTest {
 protected:
  // Writes tensors without our metadata, under new names.
  std::string foreign(const StateDict& weights, const std::function<std::string(std::string)>& new_name,
                      const std::map<std::string, std::string>& metadata = {}) const {
    StateDict renamed;
    for (const auto& [name, tensor] : weights) {
      const std::string other = new_name(name);
      if (!other.empty()) renamed.add(other, tensor);
    }
    write_safetensors(renamed, metadata, path("foreign"));
    return path("foreign");
  }

  std::string refusal(const std::string& file, const LoadOptions& options = {}) const {
    return error_of(file, [&] { load_model(file, options); });
  }
};

Model small_model() {
  Model model;
  model.architecture = find_architecture("resnet20");
  model.weights = initial_weights(expand(model.architecture), 1);
  return model;
}

Tensor scalar(float value) { return Tensor::from(std::span(&value, 1), {}); }

// The first layer in int8.
Model int8_model() {
  Model model = small_model();
  const Shape shape = model.weights.at("conv1.weight").shape();
  model.weights.set("conv1.weight", Tensor::zeros(DType::kI8, shape));
  model.weights.set("conv1.weight_scale", Tensor::from(std::vector<float>(16, 0.5F), {16}));
  model.weights.set("conv1.output_scale", scalar(0.25F));
  model.weights.set("conv1.output_zero_point", Tensor::zeros(DType::kU8, {}));
  return model;
}

void expect_same(const StateDict& a, const StateDict& b) {
  ASSERT_EQ(a.size(), b.size());
  auto place = b.begin();
  for (const auto& [name, tensor] : a) {
    EXPECT_EQ(name, place->first);
    EXPECT_EQ(tensor.dtype(), place->second.dtype()) << name;
    EXPECT_EQ(tensor.shape(), place->second.shape()) << name;
    EXPECT_TRUE(std::ranges::equal(tensor.bytes(), place->second.bytes())) << name;
    ++place;
  }
}

std::string same(const std::string& name) { return name; }

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t place = text.find(from);
  return place == std::string::npos ? text : text.replace(place, from.size(), to);
}

TEST_F(ModelFileTest, LeavesOutTheCountOfAveragedModels) {
  const Model model = small_model();
  StateDict averaged;
  averaged.add("n_averaged", Tensor::from(std::vector<std::int64_t>{5}, {}));
  for (const auto& [name, tensor] : model.weights) averaged.add("module." + name, tensor);
  expect_same(load_model(foreign(averaged, same)).weights, model.weights);
}

TEST_F(ModelFileTest, KeepsTheWholeModel) {
  Model model = small_model();
  model.classes = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
  model.preprocessing = Preprocessing{.height = 32, .width = 32, .resize = 0};
  model.metadata = {{"format", "pt"}};
  for (const char* name : {"m.safetensors", "again.safetensors"}) {
    save_model(model, path(name));
    const Model loaded = load_model(path(name));
    EXPECT_EQ(loaded.architecture, model.architecture);
    EXPECT_EQ(loaded.classes, model.classes);
    EXPECT_EQ(loaded.preprocessing, model.preprocessing);
    EXPECT_EQ(loaded.metadata, model.metadata);
    expect_same(loaded.weights, model.weights);
    model = loaded;
  }
  EXPECT_EQ(read(path("m.safetensors")), read(path("again.safetensors")));
}

TEST_F(ModelFileTest, WritesTorchFilesByTheirName) {
  const Model model = small_model();
  for (const char* name : {"m.pth", "m.pt", "m.th", "m.bin"}) {
    save_model(model, path(name));
    EXPECT_EQ(read_tensor_file(path(name)).format, "torch-zip");
    const Model loaded = load_model(path(name));
    EXPECT_EQ(loaded.architecture, model.architecture);
    expect_same(loaded.weights, model.weights);
  }
  EXPECT_EQ(error_of(path("m.onnx"), [&] { save_model(model, path("m.onnx")); }),
            "the name must end in .safetensors, .pth, .pt, .th or .bin");
}

TEST_F(ModelFileTest, RenamesForeignTensors) {
  const Model model = small_model();
  const Model loaded = load_model(foreign(
      model.weights, [](const std::string& name) { return "module.model." + replaced(name, "fc.", "linear."); }));
  EXPECT_EQ(loaded.architecture, model.architecture);
  EXPECT_TRUE(loaded.classes.empty());
  EXPECT_EQ(loaded.preprocessing, std::nullopt);
  expect_same(loaded.weights, model.weights);
}

TEST_F(ModelFileTest, ReadsOptionB) {
  Architecture architecture = find_architecture("resnet20");
  architecture.shortcut = Shortcut::kProjection;
  architecture.name = "resnet";
  const StateDict weights = initial_weights(expand(architecture), 1);
  const Model loaded = load_model(
      foreign(weights, [](const std::string& name) { return replaced(name, ".downsample.", ".shortcut."); }));
  EXPECT_EQ(loaded.architecture, architecture);
  expect_same(loaded.weights, weights);
}

TEST_F(ModelFileTest, KeepsTheTutorialsNames) {
  Architecture small;
  small.depths = {1, 1};
  small.widths = {8, 16};
  small.stem_width = 8;
  small = with_layout(small, Layout::kTutorial);
  const StateDict weights = initial_weights(expand(small), 1);
  ASSERT_TRUE(weights.contains("layer1.0.identity_downsample.0.bias"));
  const Model loaded = load_model(foreign(weights, same));
  EXPECT_EQ(loaded.architecture, small);
  expect_same(loaded.weights, weights);
}

TEST_F(ModelFileTest, FillsInWhatOldVersionsDidNotWrite) {
  const Model model = small_model();
  const Model loaded = load_model(foreign(model.weights, [](const std::string& name) {
    return name.ends_with("num_batches_tracked") ? std::string() : name;
  }));
  expect_same(loaded.weights, model.weights);
}

TEST_F(ModelFileTest, KeepsTypesOfWeights) {
  Model model = small_model();
  model.weights.set("fc.bias", Tensor::zeros(DType::kF16, {10}));
  model.weights.set("bn1.weight", Tensor::zeros(DType::kF64, {16}));
  save_model(model, path("m.safetensors"));
  expect_same(load_model(path("m.safetensors")).weights, model.weights);
}

TEST_F(ModelFileTest, TakesTheCallersArchitecture) {
  const std::string file = foreign(zero_weights(find_architecture("plain20")), same);
  EXPECT_EQ(load_model(file).architecture.name, "resnet20");
  EXPECT_EQ(load_model(file, {find_architecture("plain20")}).architecture, find_architecture("plain20"));
  EXPECT_THAT(refusal(file, {find_architecture("resnet32")}),
              HasSubstr("does not fit resnet32: missing layer1.3.conv1.weight; "));
}

TEST_F(ModelFileTest, ListsWhatDoesNotFit) {
  const Model model = small_model();
  const std::string architecture = to_metadata(model).at(kArchitectureKey);
  const std::string file =
      foreign(model.weights,
              [](const std::string& name) {
                return name == "fc.bias" ? "linear.bais" : replaced(name, "layer2.1.conv1", "layer2.1.conv3");
              },
              {{kVersionKey, "1"}, {kArchitectureKey, architecture}});
  EXPECT_EQ(refusal(file),
            "does not fit resnet20: missing layer2.1.conv1.weight; missing fc.bias; unexpected "
            "layer2.1.conv3.weight; unexpected fc.bais");
}

TEST_F(ModelFileTest, RefusesTwoTensorsOfOneName) {
  StateDict weights = small_model().weights;
  weights.add("module.fc.bias", Tensor::zeros(DType::kF32, {10}));
  EXPECT_EQ(refusal(foreign(weights, same)), "tensor 'fc.bias': is there twice");
}

TEST_F(ModelFileTest, RefusesAnArchitectureBeyondTheFile) {
  Architecture huge = find_architecture("resnet20");
  huge.depths = {1900, 1, 1};
  const std::string file = foreign({}, same, {{kVersionKey, "1"}, {kArchitectureKey, to_json(huge).dump()}});
  EXPECT_EQ(refusal(file), "does not fit resnet20: 1902 blocks, but only 0 tensors");
}

TEST_F(ModelFileTest, RefusesMetadataThatDoesNotFitTheWeights) {
  const Model model = small_model();
  auto metadata = to_metadata(model);
  metadata[kClassesKey] = R"(["cat"])";
  EXPECT_EQ(refusal(foreign(model.weights, same, metadata)), "metadata resnet.classes: 1 names for 10 classes");
  metadata[kVersionKey] = "3";
  EXPECT_THAT(refusal(foreign(model.weights, same, metadata)), HasSubstr("metadata resnet.version: '3'"));
}

TEST_F(ModelFileTest, SavesNothingThatDoesNotFit) {
  Model model = small_model();
  model.classes = {"cat"};
  EXPECT_THROW(save_model(model, path("m.safetensors")), Error);
  model.classes.clear();
  model.weights.set("fc.bias", Tensor::zeros(DType::kF32, {9}));
  EXPECT_EQ(error_of(path("m.safetensors"), [&] { save_model(model, path("m.safetensors")); }),
            "does not fit resnet20: fc.bias: expected 10, got 9");
  EXPECT_FALSE(std::filesystem::exists(path("m.safetensors")));
}

TEST_F(ModelFileTest, Int8ComesBackAsItWas) {
  const Model model = int8_model();
  save_model(model, path("int8.safetensors"));
  expect_same(load_model(path("int8.safetensors")).weights, model.weights);
}

TEST_F(ModelFileTest, OddInt8TensorsAreRefused) {
  const auto refused = [&](const std::string& name, const Tensor& tensor) {
    Model model = int8_model();
    model.weights.set(name, tensor);
    return refusal(foreign(model.weights, [](const std::string& same) { return same; }));
  };
  const auto without = [&](const std::string& name) {
    return refusal(foreign(int8_model().weights, [&](const std::string& same) { return same == name ? "" : same; }));
  };
  EXPECT_THAT(without("conv1.weight_scale"), HasSubstr("conv1.weight: expected floating point, got I8"));
  EXPECT_THAT(without("conv1.output_zero_point"), HasSubstr("conv1.output_scale: conv1.output_zero_point is missing"));
  EXPECT_THAT(without("conv1.output_scale"), HasSubstr("conv1.output_zero_point: conv1.output_scale is missing"));
  EXPECT_THAT(refused("conv1.weight", small_model().weights.at("conv1.weight")), HasSubstr("conv1.weight is not I8"));
  EXPECT_THAT(refused("conv1.weight_scale", Tensor::from(std::vector<float>(15, 1.0F), {15})),
              HasSubstr("conv1.weight_scale: expected 16, got 15"));
  EXPECT_THAT(refused("conv1.output_scale", Tensor::zeros(DType::kF16, {})), HasSubstr("expected F32, got F16"));
  EXPECT_THAT(refused("conv1.output_zero_point", scalar(1)), HasSubstr("expected U8, got F32"));
  for (const float scale :
       {0.0F, -1.0F, 1e-30F, 1e30F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    EXPECT_THAT(refused("conv1.output_scale", scalar(scale)), HasSubstr("not between")) << scale;
  }
  EXPECT_THAT(refused("bn1.output_scale", scalar(1)), HasSubstr("unexpected bn1.output_scale"));
  EXPECT_THAT(refused("bn1.weight", Tensor::zeros(DType::kI8, {16})), HasSubstr("expected floating point, got I8"));
}

// Weights as others keep them, each type with a value that float32 cannot hold.
TEST_F(ModelFileTest, ValuesThatAreNotFiniteAreRefused) {
  const auto bits = [](auto value, DType type) {
    std::vector<decltype(value)> values(16);
    values[3] = value;
    Tensor tensor = Tensor::zeros(type, {16});
    const auto bytes = std::as_bytes(std::span(values));
    const auto memory = std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
    return Tensor::view(type, {16}, *memory, memory);
  };
  const Tensor odd[] = {bits(0x7FC0'0000U, DType::kF32), bits(0xFF80'0000U, DType::kF32),
                        bits(std::uint16_t{0x7E00}, DType::kF16), bits(std::uint16_t{0xFF80}, DType::kBF16),
                        bits(1e300, DType::kF64)};
  for (const Tensor& tensor : odd) {
    Model model = small_model();
    model.weights.set("layer1.0.bn1.running_var", tensor);
    const std::string file = foreign(model.weights, [](const std::string& name) { return "module." + name; });
    EXPECT_EQ(
        refusal(file),
        "1 tensor has values that are not finite (NaN, infinite, or beyond float32): layer1.0.bn1.running_var (1 of "
        "16); --allow-nonfinite, or allow_nonfinite in a program, loads the model all the same")
        << name(tensor.dtype());
    EXPECT_EQ(load_model(file, {.allow_nonfinite = true}).weights.at("layer1.0.bn1.running_var").dtype(),
              tensor.dtype());
  }
}

TEST_F(ModelFileTest, ACheckpointOfARunIsAModel) {
  Model model = small_model();
  StateDict kept;
  for (const auto& [name, tensor] : model.weights) kept.add("net." + name, tensor);
  kept.add("first.conv1.weight", Tensor::zeros(DType::kF32, {16, 3, 3, 3}));
  kept.add("average.conv1.weight", Tensor::zeros(DType::kF32, {16, 3, 3, 3}));
  std::map<std::string, std::string> metadata = {{"run.architecture", to_json(model.architecture).dump()},
                                                 {"run.classes", R"(["a","b","c","d","e","f","g","h","i","j"])"},
                                                 {"run.preprocessing", to_json(preset("cifar")).dump()},
                                                 {"run.position", "{}"},
                                                 {"checkpoint.crc32c", "00000000"}};
  const auto same = [](const std::string& name) { return name; };
  const Model loaded = load_model(foreign(kept, same, metadata));
  EXPECT_EQ(loaded.architecture, model.architecture);
  EXPECT_EQ(loaded.classes.at(9), "j");
  EXPECT_EQ(loaded.preprocessing, preset("cifar"));
  EXPECT_TRUE(loaded.metadata.empty());
  expect_same(loaded.weights, model.weights);
  metadata.erase("run.preprocessing");  // as older versions wrote them
  EXPECT_FALSE(load_model(foreign(kept, same, metadata)).preprocessing);
  const auto without = [](const std::string& name) { return name == "net.fc.bias" ? "" : name; };
  EXPECT_THAT(refusal(foreign(kept, without, metadata)), HasSubstr("missing fc.bias"));
}

}  // namespace
}  // namespace resnet
