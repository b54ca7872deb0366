#include "weights/find_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "formats/test_files.h"

namespace resnet {
namespace {

// A file whose dictionaries hold one tensor 'a' each.
TensorFile file_with(std::initializer_list<const char*> dictionaries) {
  TensorFile file;
  file.format = "torch-zip";
  for (const std::string path : dictionaries) {
    file.tensors.add(path.empty() ? "a" : path + ".a", Tensor::zeros(DType::kF32, {1}));
    file.containers.push_back({path, "dict", 1});
  }
  return file;
}

std::string found(TensorFile file) {
  const std::string path = find_network(file, "m.pth");
  EXPECT_EQ(file.tensors.size(), 1U);
  EXPECT_TRUE(file.tensors.contains("a"));
  return path;
}

TEST(FindNetworkTest, OpensContainersInOrder) {
  EXPECT_EQ(found(file_with({"model_ema", "state_dict_ema"})), "state_dict_ema");
  EXPECT_EQ(found(file_with({"model_ema", "state_dict_ema", "model"})), "model");
  EXPECT_EQ(found(file_with({"model_ema", "model", "state_dict"})), "state_dict");
  EXPECT_EQ(found(file_with({"model_ema", ""})), "model_ema");
  EXPECT_EQ(found(file_with({"optimizer.state.0", ""})), "");
  EXPECT_EQ(found(file_with({"model", "model.inner"})), "model") << "what stands in dictionaries inside is left out";
}

TEST(FindNetworkTest, SaysWhereTensorsAre) {
  const auto refusal = [](TensorFile file) { return error_of("m.pth", [&] { find_network(file, "m.pth"); }); };
  EXPECT_EQ(refusal(file_with({"net", "b\n"})),
            "no tensors at its top nor in 'state_dict', 'model', 'state_dict_ema', 'model_ema'; there are some in "
            "'net', 'b\\x0a'");
  EXPECT_THAT(refusal(file_with({})), ::testing::HasSubstr("there are none elsewhere"));
}

TEST(FindNetworkTest, LeavesFilesWithoutDictionariesAsTheyAre) {
  TensorFile file;
  file.format = "safetensors";
  file.tensors.add("model.a", Tensor());
  EXPECT_EQ(find_network(file, "m.safetensors"), "");
  EXPECT_TRUE(file.tensors.contains("model.a"));
}

}  // namespace
}  // namespace resnet
