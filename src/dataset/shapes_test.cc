#include "dataset/shapes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "dataset/image_set.h"
#include "dataset/test_directory.h"

namespace resnet {
namespace {

using testing::error_of;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class ShapesTest : public testing::DirectoryTest {
 protected:
  static void ignore(int /*done*/) {}
};

TEST_F(ShapesTest, PicturesDependOnTheGeneratorAlone) {
  for (std::size_t shape = 0; shape < shape_names().size(); ++shape) {
    Random one(3);
    Random same(3);
    Random other(4);
    const Image image = draw_shape(shape, 32, one);
    EXPECT_EQ(image.width, 32);
    EXPECT_EQ(image.pixels.size(), 32U * 32 * 3);
    EXPECT_EQ(image.pixels, draw_shape(shape, 32, same).pixels);
    EXPECT_NE(image.pixels, draw_shape(shape, 32, other).pixels);
  }
}

// The same draw with another shape differs in the shape alone: neither nowhere nor everywhere.
TEST_F(ShapesTest, ShapesStandOutFromTheirBackground) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    for (std::size_t shape = 1; shape < shape_names().size(); ++shape) {
      Random a(seed);
      Random b(seed);
      const Image first = draw_shape(0, 48, a);
      const Image second = draw_shape(shape, 48, b);
      int different = 0;
      for (std::size_t i = 0; i < first.pixels.size(); i += 3) {
        int most = 0;
        for (std::size_t c = 0; c < 3; ++c) most = std::max(most, std::abs(first.pixels[i + c] - second.pixels[i + c]));
        if (most > 20) ++different;
      }
      EXPECT_GT(different, 48) << shape_names()[shape] << " of seed " << seed;
      EXPECT_LT(different, 48 * 48 / 2) << shape_names()[shape] << " of seed " << seed;
    }
  }
}

TEST_F(ShapesTest, MakesASetThatTrainingReads) {
  std::vector<int> reports;
  make_shapes(at("set/shapes"), {.size = 16, .train = 43, .val = 12, .seed = 5},
              [&](int done) { reports.push_back(done); });
  EXPECT_EQ(reports.back(), 55);
  const TrainingData data = open_training_data(at("set/shapes"), "", 1);
  EXPECT_EQ(data.train.classes(), shape_names());
  EXPECT_EQ(data.train.size(), 43U);
  EXPECT_EQ(data.val.size(), 12U);
  EXPECT_EQ(read_image(data.train.path(42)).width, 16);
  EXPECT_EQ(std::distance(fs::directory_iterator(directory_ / "set"), {}), 1) << "nothing else is left there";

  make_shapes(at("again"), {.size = 16, .train = 43, .val = 0, .seed = 5}, ignore);
  EXPECT_EQ(read("again/train/star/00003.jpg"), read("set/shapes/train/star/00003.jpg"));
  EXPECT_NE(read("again/train/star/00002.jpg"), read("set/shapes/train/star/00003.jpg"));
  EXPECT_NE(read("set/shapes/val/star/00001.jpg"), read("set/shapes/train/star/00001.jpg"));
}

TEST_F(ShapesTest, LeavesWhatIsThereAlone) {
  write("there/file", "mine");
  EXPECT_THAT(error_of([&] { make_shapes(at("there"), {}, ignore); }), HasSubstr("there: there is something already"));
  EXPECT_THAT(error_of([&] { make_shapes(at("there/file"), {}, ignore); }), HasSubstr("something already"));
  EXPECT_THAT(error_of([&] { make_shapes(at("there/file/x"), {}, ignore); }), HasSubstr("cannot write"));
  EXPECT_EQ(read("there/file"), "mine");
  for (const ShapesOptions& wrong : {ShapesOptions{.size = 15}, {.size = 2000}, {.train = 9}, {.val = -1}}) {
    EXPECT_THAT(error_of([&] { make_shapes(at("new"), wrong, ignore); }), HasSubstr("is not between"));
  }
  EXPECT_FALSE(fs::exists(directory_ / "new"));
  fs::create_directory(directory_ / "empty");
  make_shapes(at("empty/"), {.size = 16, .train = 10, .val = 0}, ignore);
  EXPECT_TRUE(fs::exists(directory_ / "empty/train/ring/00001.jpg"));
}

}  // namespace
}  // namespace resnet
