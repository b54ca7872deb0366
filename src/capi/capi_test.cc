#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <thread>
#include <vector>

#include "capi/from_c_test.h"
#include "resnet/model_file.h"
#include "resnet/resnet.h"
#include "weights/initialize.h"

namespace {

const char* const kPicture = RESNET_SOURCE_DIR "/tests/golden/image/33x31-RGB.jpg";

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A model file that is there as long as the test program runs.
const std::string& model_path() {
  struct Temporary {
    std::string path;
    ~Temporary() { std::filesystem::remove(path); }
  };
  static const Temporary file{[] {
    resnet::Model model;
    resnet::Architecture& a = model.architecture;
    a.block = resnet::Block::kBasic;
    a.depths = {1, 1};
    a.widths = {8, 16};
    a.stem = resnet::Stem::kCifar;
    a.stem_width = 8;
    a.classes = 3;
    model.weights = resnet::initial_weights(resnet::expand(a), 1);
    model.classes = {"cat", "dog", "ship"};
    model.preprocessing = resnet::preset("cifar");
    model.preprocessing->resize = 32;
    const std::string path = testing::TempDir() + "capi_test-" + std::to_string(getpid()) + ".safetensors";
    resnet::save_model(model, path);
    return path;
  }()};
  return file.path;
}

TEST(CapiTest, AnswersFromC) { EXPECT_STREQ(check_answers(model_path().c_str(), kPicture), nullptr); }

TEST(CapiTest, ErrorsFromC) { EXPECT_STREQ(check_errors(model_path().c_str(), kPicture), nullptr); }

TEST(CapiTest, EveryFunctionIsCalledFromC) {
  const std::string header = read_text(RESNET_SOURCE_DIR "/include/resnet/resnet.h");
  const std::string calls = read_text(RESNET_SOURCE_DIR "/src/capi/from_c_test.c");
  const std::regex declaration("^[a-z].*\\b(resnet_[a-z_]+)\\(", std::regex::multiline);
  std::set<std::string> functions;
  for (std::sregex_iterator match(header.begin(), header.end(), declaration), end; match != end; ++match) {
    functions.insert((*match)[1]);
    EXPECT_NE(calls.find((*match)[1].str() + "("), std::string::npos) << (*match)[1];
  }
  EXPECT_GE(functions.size(), 22U);
}

TEST(CapiTest, TheLastErrorIsTheThreadsOwn) {
  resnet_classifier* model = nullptr;
  EXPECT_EQ(resnet_load("/absent", nullptr, &model), RESNET_NOT_FOUND);
  std::string other = "unset";
  std::thread([&] { other = resnet_last_error(); }).join();
  EXPECT_EQ(other, "");
  EXPECT_NE(std::string(resnet_last_error()).find("/absent"), std::string::npos);
}

TEST(CapiTest, AModelThatIsShortenedIsAnError) {
  const std::string path = testing::TempDir() + "capi_test-large-" + std::to_string(getpid()) + ".safetensors";
  resnet::Model model;
  model.architecture.block = resnet::Block::kBasic;
  model.architecture.depths = {1, 1};
  model.architecture.widths = {8, 512};
  model.architecture.stem = resnet::Stem::kCifar;
  model.architecture.stem_width = 8;
  model.architecture.classes = 3;
  model.weights = resnet::initial_weights(resnet::expand(model.architecture), 1);
  resnet::save_model(model, path);
  resnet_classifier* classifier = nullptr;
  ASSERT_EQ(resnet_load(path.c_str(), nullptr, &classifier), RESNET_OK);
  std::filesystem::resize_file(path, 5000);
  const std::vector<float> picture(3 * 32 * 32);
  const resnet_tensor input = {picture.data(), 1, 3, 32, 32};
  float logits[3] = {};
  EXPECT_EQ(resnet_logits(classifier, &input, logits, 3), RESNET_IO);
  EXPECT_EQ(std::string(resnet_last_error()).rfind(path + ": another program has written to it", 0), 0U);
  resnet_free(classifier);
  std::filesystem::remove(path);
}

TEST(ConcurrencyCapiTest, OneModelServesManyThreads) {
  resnet_classifier* model = nullptr;
  const resnet_options options{1, nullptr, nullptr, nullptr};
  ASSERT_EQ(resnet_load(model_path().c_str(), &options, &model), RESNET_OK) << resnet_last_error();
  std::vector<const char*> wrong(4, "not run");
  std::vector<std::thread> threads;
  for (const char*& result : wrong) threads.emplace_back([&] { result = check_repeated(model, kPicture); });
  for (std::thread& thread : threads) thread.join();
  for (const char* result : wrong) EXPECT_STREQ(result, nullptr);
  resnet_free(model);
}

}  // namespace
