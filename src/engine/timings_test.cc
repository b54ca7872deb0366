#include "engine/timings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "engine/choice.h"
#include "program/random_weights.h"
#include "resnet/engine.h"

namespace resnet {
namespace {

// The user's cache directory, empty, for the length of a scope.
class CacheDirectory {
 public:
  CacheDirectory() {
    char name[] = "/tmp/resnet-cache-XXXXXX";
    path_ = mkdtemp(name);
    setenv("XDG_CACHE_HOME", path_.c_str(), 1);
  }
  ~CacheDirectory() {
    unsetenv("XDG_CACHE_HOME");
    std::filesystem::remove_all(path_);
  }

 private:
  std::string path_;
};

std::string read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}
void write(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << text;
}

TEST(TimingsTest, KeepsWhatIsMeasured) {
  const CacheDirectory cache;
  EXPECT_EQ(Timings::load(timings_path()).find("a", "b"), std::nullopt);
  Timings first, second;
  first.set("shape one", "direct 6x16", 1.25);
  first.save(timings_path());
  second.set("shape two", "direct 6x16", 3e-4);
  second.save(timings_path());
  const Timings both = Timings::load(timings_path());
  EXPECT_EQ(both.find("shape one", "direct 6x16"), 1.25);
  EXPECT_EQ(both.find("shape two", "direct 6x16"), 3e-4);
  EXPECT_EQ(both.find("shape two", "winograd 2x2"), std::nullopt);
}

TEST(TimingsTest, AFileThatIsNotSoCountsAsEmptyAndIsReplaced) {
  const CacheDirectory cache;
  for (const char* text : {"", "resnet timings 2\na\tb\t1\n", "resnet timings 1\na\tb\t1", "resnet timings 1\na\tb\n",
                           "resnet timings 1\na\tb\tx\n", "resnet timings 1\na\tb\t-1\n",
                           "resnet timings 1\na\tb\tnan\n", "resnet timings 1\na\tb\t1 \n", "\0\xFF"}) {
    write(timings_path(), text);
    EXPECT_EQ(Timings::load(timings_path()).find("a", "b"), std::nullopt) << text;
    Timings timings;
    timings.set("c", "d", 2);
    timings.save(timings_path());
    EXPECT_EQ(read(timings_path()), "resnet timings 1\nc\td\t2\n");
  }
}

TEST(TimingsTest, EnginesThatTuneMeasureOnceAndChooseByIt) {
  const CacheDirectory cache;
  const Graph graph = expand(find_architecture("resnet20"));
  const StateDict weights = random_weights(graph, 1);
  EngineOptions options;
  options.threads = 1;
  options.tune = true;
  const auto algorithms = [&] {
    std::vector<std::string> names;
    for (const StepProfile& step : Engine(graph, weights, options).profile({1, 3, 32, 32}, 1)) {
      names.push_back(step.algorithm);
    }
    return names;
  };
  const std::vector<std::string> chosen = algorithms();
  const std::string kept = read(timings_path());
  EXPECT_NE(kept.find("kernel 3 stride 1"), std::string::npos);
  EXPECT_EQ(algorithms(), chosen);
  EXPECT_EQ(read(timings_path()), kept);  // nothing was measured again
}

TEST(TimingsTest, EnginesThatCannotKeepWhatTheyMeasureSayItOnce) {
  const CacheDirectory cache;
  std::filesystem::create_directories(timings_path());  // a directory where the file should be
  const Graph graph = expand(find_architecture("resnet20"));
  EngineOptions options;
  options.threads = 1;
  options.tune = true;
  std::vector<std::string> said;
  options.notice = [&](const std::string& text) { said.push_back(text); };
  const Engine engine(graph, random_weights(graph, 1), options);
  engine.workspace_bytes({1, 3, 32, 32});
  engine.workspace_bytes({1, 3, 16, 16});
  ASSERT_EQ(said.size(), 1U);
  EXPECT_EQ(said[0], "measured times are not kept: " + timings_path() + ": is a directory, not a file");
}

TEST(ChoiceTest, WhatWasMeasuredDecides) {
  if (!is_supported(Isa::kAvx2)) GTEST_SKIP() << "this processor or this build has no avx2";
  const Kernels& kernels = kernels_for(Isa::kAvx2);
  ConvShape shape;
  shape.kernel = 3, shape.padding = 1;
  shape.in_channels = shape.out_channels = 64;
  shape.in_height = shape.in_width = shape.out_height = shape.out_width = 56;
  EXPECT_STREQ(choose_algorithm(kernels, shape, 1, {}).algorithm->name, "winograd 4x4");
  Timings timings;
  for (const char* name : {"winograd 4x4", "winograd 2x2", "direct rows 6x16", "direct 6x16"}) {
    timings.set(Timings::key(kernels, 1, shape), name, name == std::string("direct 6x16") ? 1 : 3);
  }
  ChoiceRules rules;
  rules.timings = &timings;
  const Choice choice = choose_algorithm(kernels, shape, 1, rules);
  EXPECT_STREQ(choice.algorithm->name, "direct 6x16");
  EXPECT_THAT(choice.refused, testing::UnorderedElementsAre(
                                  "direct rows 6x16: took 3.00 times as long", "winograd 4x4: took 3.00 times as long",
                                  "winograd 3x3 of phases: the window is not 7x7",
                                  "strassen 6x16: the window is not 1x1", "winograd 2x2: took 3.00 times as long"));
  EXPECT_STRNE(choose_algorithm(kernels, shape, 2, rules).algorithm->name,
               "direct 6x16");  // nothing was measured there
}

TEST(ChoiceTest, AFamilyIsForced) {
  if (!is_supported(Isa::kAvx2)) GTEST_SKIP() << "this processor or this build has no avx2";
  const Kernels& kernels = kernels_for(Isa::kAvx2);
  ConvShape shape;
  shape.kernel = 3, shape.padding = 1;
  shape.in_channels = shape.out_channels = 512;
  EXPECT_STREQ(choose_algorithm(kernels, shape, 1, {.algorithms = Algorithms::kDirect}).algorithm->name, "direct 6x16");
  const Choice winograd = choose_algorithm(kernels, shape, 1, {.algorithms = Algorithms::kWinograd});
  EXPECT_EQ(winograd.algorithm->family, ConvFamily::kWinograd);
  EXPECT_THAT(winograd.refused, testing::Contains("direct 6x16: Winograd is asked for"));
  shape.stride = 2;
  const Choice strided = choose_algorithm(kernels, shape, 1, {.algorithms = Algorithms::kWinograd});
  EXPECT_STREQ(strided.algorithm->name, "direct 6x16");
  EXPECT_THAT(strided.refused, testing::Contains("winograd 4x4: the stride is not 1"));
}

}  // namespace
}  // namespace resnet
