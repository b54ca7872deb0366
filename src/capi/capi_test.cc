#include <gtest/gtest.h>

#include <unistd.h>

#include <climits>
#include <filesystem>
#include <fstream>
#include <limits>
#include <regex>
#include <set>
#include <thread>
#include <tuple>
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

TEST(CapiTest, BackbonesGiveFeatures) {
  resnet::Model backbone = resnet::load_model(model_path());
  backbone.architecture.classes = 0;
  backbone.classes.clear();
  backbone.weights = resnet::initial_weights(resnet::expand(backbone.architecture), 1);
  const std::string path = testing::TempDir() + "capi_backbone-" + std::to_string(getpid()) + ".safetensors";
  resnet::save_model(backbone, path);
  resnet_classifier* model = nullptr;
  ASSERT_EQ(resnet_load(path.c_str(), nullptr, &model), RESNET_OK);
  std::filesystem::remove(path);
  EXPECT_EQ(resnet_class_count(model), 0);
  std::vector<float> tensor(3 * 32 * 32), outputs(16), features(16), heatmap(16 * 16);
  ASSERT_EQ(resnet_prepare_file(model, kPicture, tensor.data(), tensor.size()), RESNET_OK);
  const resnet_tensor input = {tensor.data(), 1, 3, 32, 32};
  EXPECT_EQ(resnet_logits(model, &input, outputs.data(), outputs.size()), RESNET_OK);
  EXPECT_EQ(resnet_features(model, &input, features.data(), features.size()), RESNET_OK);
  for (std::size_t i = 0; i < features.size(); ++i) EXPECT_NEAR(outputs[i], features[i], 1e-5);
  resnet_guess guess;
  int count = 0;
  EXPECT_EQ(resnet_classify_file(model, kPicture, &guess, 1, &count), RESNET_UNSUPPORTED);
  EXPECT_EQ(resnet_heatmap(model, &input, -1, heatmap.data(), heatmap.size()), RESNET_UNSUPPORTED);
  EXPECT_NE(std::string(resnet_last_error()).find("no head"), std::string::npos);
  resnet_free(model);
}

// A state dict that tells nothing of its stem's pooling.
TEST(CapiTest, WhatAFileDoesNotSayIsAssumedAloudAndCanBeTold) {
  const std::string path = testing::TempDir() + "capi_state_dict-" + std::to_string(getpid()) + ".pth";
  resnet::save_model(resnet::load_model(model_path()), path);
  resnet_classifier* model = nullptr;
  ASSERT_EQ(resnet_load(path.c_str(), nullptr, &model), RESNET_OK) << resnet_last_error();
  const std::string assumed = resnet_notes(model);
  EXPECT_NE(assumed.find("stem_pool=none"), std::string::npos) << assumed;
  EXPECT_NE(assumed.find("preprocessing"), std::string::npos) << assumed;
  std::vector<float> tensor(3 * 32 * 32), plain(3), pooled(3);
  for (std::size_t i = 0; i < tensor.size(); ++i) tensor[i] = static_cast<float>(i % 7) - 3;
  const resnet_tensor input = {tensor.data(), 1, 3, 32, 32};
  EXPECT_EQ(resnet_logits(model, &input, plain.data(), plain.size()), RESNET_OK);
  resnet_free(model);
  resnet_options options = {};
  options.preset = "cifar";
  options.fields =
      "stem_pool=max stem_stride=1 strides=1,2 shortcut=projection bn_eps=1e-5 activation=relu "
      "dilated_stages=0 antialias=none";
  ASSERT_EQ(resnet_load(path.c_str(), &options, &model), RESNET_OK) << resnet_last_error();
  EXPECT_STREQ(resnet_notes(model), "");
  EXPECT_EQ(resnet_logits(model, &input, pooled.data(), pooled.size()), RESNET_OK);
  EXPECT_NE(plain, pooled);
  resnet_free(model);
  options.head = "none";
  ASSERT_EQ(resnet_load(path.c_str(), &options, &model), RESNET_OK) << resnet_last_error();
  EXPECT_EQ(resnet_class_count(model), 0);
  resnet_free(model);
  options.take = "ema";
  EXPECT_EQ(resnet_load(path.c_str(), &options, &model), RESNET_NOT_FOUND);
  std::filesystem::remove(path);
}

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

// That a call failed, in words of this library.
void expect_told(resnet_status status, const std::string& what) {
  static const std::regex inside(
      "::|_M_|bad_(alloc|cast|optional)|\\bsto(i|l|ul|d|f)\\b|basic_string|json\\.exception|a fault of");
  const std::string text = resnet_last_error();
  EXPECT_NE(status, RESNET_OK) << what;
  EXPECT_NE(status, RESNET_INTERNAL) << what << ": " << text;
  EXPECT_FALSE(std::regex_search(text, inside)) << what << ": " << text;
}

TEST(CapiTest, NoWordsOfTheInsideReachC) {
  const std::string empty = testing::TempDir() + "capi_test-empty-" + std::to_string(getpid());
  std::ofstream(empty).flush();
  const std::vector<std::string> places = {"",
                                           "/",
                                           "/absent",
                                           "/dev/null",
                                           "\xFF\n",
                                           std::string(300, 'x'),
                                           std::string(5000, '/') + "x",
                                           testing::TempDir(),
                                           empty,
                                           kPicture};
  resnet_classifier* model = nullptr;
  for (const std::string& place : places) expect_told(resnet_load(place.c_str(), nullptr, &model), "load " + place);
  const auto with = [](auto change) {
    resnet_options options = {};
    change(options);
    return options;
  };
  for (const resnet_options& options :
       {with([](auto& o) { o.threads = -1; }), with([](auto& o) { o.threads = INT_MAX; }),
        with([](auto& o) { o.architecture = ""; }), with([](auto& o) { o.architecture = "\xFF"; }),
        with([](auto& o) { o.preset = ""; }), with([](auto& o) { o.precision = ""; }),
        with([](auto& o) { o.architecture = "resnet50"; }), with([](auto& o) { o.precision = "int8"; }),
        with([](auto& o) { o.fields = "stem_pool"; }), with([](auto& o) { o.fields = "stem_pol=max"; }),
        with([](auto& o) { o.fields = "bn_eps=\xFF"; }), with([](auto& o) { o.fields = "strides=1,,2"; })}) {
    expect_told(resnet_load(model_path().c_str(), &options, &model), "options");
  }
  ASSERT_EQ(resnet_load(model_path().c_str(), nullptr, &model), RESNET_OK) << resnet_last_error();
  std::vector<resnet_guess> guesses(3);
  int count = 0;
  for (const std::string& place : places) {
    if (place == kPicture) continue;
    expect_told(resnet_classify_file(model, place.c_str(), guesses.data(), 3, &count), "classify " + place);
  }
  expect_told(resnet_classify_file(model, model_path().c_str(), guesses.data(), 3, &count), "a model as picture");
  EXPECT_EQ(resnet_classify_file(model, kPicture, guesses.data(), INT_MAX, &count), RESNET_OK);
  const std::vector<std::uint8_t> pixels(48);
  for (const auto& [width, height, channels] : std::vector<std::tuple<int, int, int>>{
           {INT_MAX, INT_MAX, INT_MAX}, {INT_MAX, 1, 3}, {4, 4, 2}, {-4, -4, 3}, {0, 0, 0}}) {
    expect_told(resnet_classify_pixels(model, pixels.data(), width, height, channels, guesses.data(), 3, &count),
                "pixels");
  }
  std::vector<float> values(3 * 32 * 32);
  for (const auto& [batch, channels, height, width] :
       std::vector<std::tuple<int, int, int, int>>{{INT_MAX, INT_MAX, INT_MAX, INT_MAX},
                                                   {INT_MAX, 3, 1, 1},
                                                   {1, 3, INT_MAX, 1},
                                                   {1, 2, 32, 32},
                                                   {-1, 3, 8, 8}}) {
    const resnet_tensor input{values.data(), batch, channels, height, width};
    int rows = 0;
    int columns = 0;
    expect_told(resnet_logits(model, &input, values.data(), 3), "logits");
    expect_told(resnet_features(model, &input, values.data(), 16), "features");
    expect_told(resnet_heatmap(model, &input, 0, values.data(), 256), "heatmap");
    if (batch < 1 || channels > 3) expect_told(resnet_heatmap_size(model, &input, &rows, &columns), "heatmap_size");
  }
  resnet_free(model);
  std::filesystem::remove(empty);
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
  resnet_options options = {};
  options.threads = 1;
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
  resnet_options options = {};
  options.threads = 1;
  ASSERT_EQ(resnet_load(model_path().c_str(), &options, &model), RESNET_OK) << resnet_last_error();
  std::vector<const char*> wrong(4, "not run");
  std::vector<std::thread> threads;
  for (const char*& result : wrong) threads.emplace_back([&] { result = check_repeated(model, kPicture); });
  for (std::thread& thread : threads) thread.join();
  for (const char* result : wrong) EXPECT_STREQ(result, nullptr);
  resnet_free(model);
}

}  // namespace
