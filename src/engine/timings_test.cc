#include "engine/timings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "engine/choice.h"
#include "engine/random_weights.h"
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

  // What the file says decides.
  const ConvAlgorithm& slow = best_kernels().convs.front();
  const ConvAlgorithm& fast = best_kernels().convs.back();
  ConvShape shape;
  shape.kernel = 3, shape.padding = 1;
  shape.in_channels = shape.out_channels = 64;
  shape.in_height = shape.in_width = shape.out_height = shape.out_width = 56;
  Timings timings;
  for (const ConvAlgorithm& algorithm : best_kernels().convs) {
    timings.set(Timings::key(best_kernels(), 1, shape), algorithm.name, &algorithm == &fast ? 1 : 3);
  }
  ChoiceRules rules;
  rules.timings = &timings;
  EXPECT_EQ(choose_algorithm(best_kernels(), shape, 1, rules).algorithm, &fast);
  if (&slow != &fast) {
    EXPECT_NE(choose_algorithm(best_kernels(), shape, 1, {}).algorithm, &fast);
    EXPECT_THAT(choose_algorithm(best_kernels(), shape, 1, rules).refused,
                testing::Contains(std::string(slow.name) + ": took 3.00 times as long"));
  }
}

}  // namespace
}  // namespace resnet
