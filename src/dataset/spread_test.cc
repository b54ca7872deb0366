#include "dataset/spread.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "dataset/dataset.h"
#include "dataset/test_directory.h"

namespace resnet {
namespace {

using ::testing::ElementsAre;

// A set of classes of the sizes given: class "a" with a/0.jpg, a/1.jpg, ...
Index index_of(const std::vector<int>& sizes) {
  Index index;
  for (std::size_t c = 0; c < sizes.size(); ++c) {
    index.labels.emplace_back(1, static_cast<char>('a' + c));
    for (int i = 0; i < sizes[c]; ++i) {
      index.pictures.push_back({static_cast<std::uint32_t>(index.files.size()), static_cast<std::uint32_t>(c)});
      index.files.emplace_back().place.path = fmt::format("{}/{:03}.jpg", index.labels[c], i);
    }
  }
  return index;
}

std::vector<int> taken_of_each(const std::vector<int>& sizes, std::size_t count) {
  const Index index = index_of(sizes);
  std::vector<int> result(sizes.size());
  for (const std::uint32_t i : spread(index, count)) ++result[index.pictures[i].label];
  return result;
}

TEST(SpreadTest, TakesAsManyOfEachClass) {
  EXPECT_THAT(taken_of_each({50, 10, 10}, 9), ElementsAre(3, 3, 3));
  EXPECT_THAT(taken_of_each({50, 10, 10}, 10), ElementsAre(4, 3, 3));
  EXPECT_THAT(taken_of_each({50, 10, 10}, 40), ElementsAre(20, 10, 10)) << "what there is";
  EXPECT_THAT(taken_of_each({2, 50, 50}, 20), ElementsAre(2, 9, 9));
  EXPECT_THAT(taken_of_each({50, 1, 0, 50}, 8), ElementsAre(4, 1, 0, 3));
  EXPECT_THAT(taken_of_each({9, 9, 9, 9}, 2), ElementsAre(1, 0, 1, 0)) << "fewer than classes";
  EXPECT_THAT(taken_of_each({3, 4}, 7), ElementsAre(3, 4));
  EXPECT_THAT(taken_of_each({3, 4}, 100), ElementsAre(3, 4));
  EXPECT_THAT(taken_of_each({3, 4}, 0), ElementsAre(0, 0));
}

TEST(SpreadTest, TakesAsManyAsAskedFor) {
  for (std::size_t count = 0; count <= 45; ++count) {
    const std::vector<int> taken = taken_of_each({7, 0, 30, 1, 7}, count);
    EXPECT_EQ(std::accumulate(taken.begin(), taken.end(), std::size_t{0}), count);
  }
}

TEST(SpreadTest, TakesFromTheWholeClass) {
  EXPECT_THAT(spread(index_of({100}), 4), ElementsAre(0, 25, 50, 75));
  EXPECT_THAT(spread(index_of({4, 4}), 4), ElementsAre(0, 2, 4, 6));
}

class SpreadFormsTest : public testing::DirectoryTest {};

TEST_F(SpreadFormsTest, TakesTheSamePicturesInAllForms) {
  for (int i = 0; i < 40; ++i) write(fmt::format("data/cat/{}/{}.jpg", i % 3, i));
  for (int i = 0; i < 7; ++i) write(fmt::format("data/dog/{}.jpg", i));
  archive("data.tar", "--sort=none");
  archive_files("backwards.tar.gz", "$(cd '" + directory_.string() + "' && find data -type f | sort -r)", "-z");
  const auto taken = [&](const std::string& name) {
    const auto source = Dataset::open(at(name)).items(11);
    std::multiset<std::string> paths;
    while (const auto item = source->next()) paths.insert(item->path.substr(item->path.rfind("data/")));
    return paths;
  };
  EXPECT_EQ(taken("data").size(), 11U);
  EXPECT_EQ(taken("data.tar"), taken("data"));
  EXPECT_EQ(taken("backwards.tar.gz"), taken("data"));
}

}  // namespace
}  // namespace resnet
