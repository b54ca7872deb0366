#include <gtest/gtest.h>

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>
#include <regex>
#include <set>
#include <thread>

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

// A weight that is infinite, and weights of which every answer is.
TEST(CapiTest, RefusesWhatIsNotFinite) {
  resnet::Model sound = resnet::load_model(model_path());
  const std::string path = testing::TempDir() + "capi_test-nonfinite-" + std::to_string(getpid()) + ".safetensors";
  const auto save = [&](float weight) {
    resnet::Model model = sound;
    model.weights.set("fc.weight", resnet::Tensor::from(std::vector<float>(48, weight), {3, 16}));
    resnet::save_model(model, path);
  };
  resnet_options options{1, nullptr, nullptr, nullptr, 0};
  resnet_classifier* model = nullptr;
  resnet_guess guess;
  int count = 0;
  save(std::numeric_limits<float>::infinity());
  EXPECT_EQ(resnet_load(path.c_str(), &options, &model), RESNET_UNSUPPORTED);
  EXPECT_NE(std::string(resnet_last_error()).find("fc.weight (48 of 48)"), std::string::npos) << resnet_last_error();
  EXPECT_EQ(resnet_load(path.c_str(), nullptr, &model), RESNET_UNSUPPORTED);
  options.allow_nonfinite = 1;
  ASSERT_EQ(resnet_load(path.c_str(), &options, &model), RESNET_OK) << resnet_last_error();
  EXPECT_EQ(resnet_classify_file(model, kPicture, &guess, 1, &count), RESNET_OK);
  resnet_free(model);
  save(3e38F);
  ASSERT_EQ(resnet_load(path.c_str(), nullptr, &model), RESNET_OK) << resnet_last_error();
  EXPECT_EQ(resnet_classify_file(model, kPicture, &guess, 1, &count), RESNET_UNSUPPORTED);
  EXPECT_EQ(count, 0);
  EXPECT_NE(std::string(resnet_last_error()).find(kPicture), std::string::npos) << resnet_last_error();
  resnet_free(model);
  std::filesystem::remove(path);
}

TEST(ConcurrencyCapiTest, OneModelServesManyThreads) {
  resnet_classifier* model = nullptr;
  const resnet_options options{1, nullptr, nullptr, nullptr, 0};
  ASSERT_EQ(resnet_load(model_path().c_str(), &options, &model), RESNET_OK) << resnet_last_error();
  std::vector<const char*> wrong(4, "not run");
  std::vector<std::thread> threads;
  for (const char*& result : wrong) threads.emplace_back([&] { result = check_repeated(model, kPicture); });
  for (std::thread& thread : threads) thread.join();
  for (const char* result : wrong) EXPECT_STREQ(result, nullptr);
  resnet_free(model);
}

}  // namespace
