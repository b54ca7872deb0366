#include "dataset/check_sizes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "dataset/test_directory.h"
#include "resnet/image.h"

namespace resnet {
namespace {

using ::testing::EndsWith;
using testing::error_of;
using ::testing::StartsWith;

class CheckSizesTest : public testing::DirectoryTest {
 protected:
  void picture(const std::string& name, int width, int height) const {
    write("set/cat/" + name,
          encode_png({width, height, 3, std::vector<std::uint8_t>(std::size_t(3 * width * height))}));
  }
  std::string refusal(BadImages bad = BadImages::kFail) const {
    const ImageSet images = ImageSet::open(at("set"));
    return error_of([&] { check_sizes(images, preset(Preset::kCifar), bad, 2); });
  }
};

TEST_F(CheckSizesTest, TakesPicturesOfTheSize) {
  for (int i = 0; i < 600; ++i) picture(std::to_string(i) + ".png", 32, 32);  // several pieces
  const ImageSet images = ImageSet::open(at("set"));
  check_sizes(images, preset(Preset::kCifar), BadImages::kFail, 0);
  check_sizes(ImageSet(), preset(Preset::kCifar), BadImages::kFail, 0);
}

TEST_F(CheckSizesTest, NamesTheFirstOfAnotherSizeAndTheWaysOut) {
  for (int i = 0; i < 3; ++i) picture(std::to_string(i) + ".png", 64, 64);
  EXPECT_EQ(refusal(), at("set/cat/0.png") +
                           ": 64x64 pixels, but 32x32 are expected and nothing is resized (3 of 3 pictures have "
                           "another size); --resize 32 would, and --size 64 takes them as they are");
  picture("9.png", 64, 60);
  EXPECT_THAT(refusal(), EndsWith("(4 of 4 pictures have another size); --resize 32 would"));
  picture("00.png", 32, 32);
  EXPECT_THAT(refusal(), EndsWith("(4 of 5 pictures have another size); --resize 32 would"));
}

TEST_F(CheckSizesTest, WhereSizesAreMadeAlikeNoneIsLookedAt) {
  write("set/cat/0.png", std::string("no picture"));
  Preprocessing how = preset(Preset::kCifar);
  how.resize = 32;
  check_sizes(ImageSet::open(at("set")), how, BadImages::kFail, 1);
}

TEST_F(CheckSizesTest, SaysWhatCannotBeReadBeforeWhatComesLater) {
  write("set/cat/0.png", std::string());
  picture("1.png", 64, 64);
  EXPECT_EQ(refusal(), at("set/cat/0.png") + ": the file is empty");
  EXPECT_THAT(refusal(BadImages::kSkip), StartsWith(at("set/cat/1.png") + ": 64x64 pixels"));
  picture("2.png", 32, 32);  // one that fits is enough where the others are left out
  check_sizes(ImageSet::open(at("set")), preset(Preset::kCifar), BadImages::kSkip, 2);
}

}  // namespace
}  // namespace resnet
