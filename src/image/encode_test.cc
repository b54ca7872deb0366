#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "image/test_pictures.h"
#include "resnet/error.h"
#include "resnet/image.h"

namespace resnet {
namespace {

using ::testing::HasSubstr;
namespace fs = std::filesystem;

Image decode(std::span<const std::byte> bytes, int channels) {
  return decode_image(bytes, "x", {.mode = channels == 1 ? ColorMode::kGray : ColorMode::kRgb});
}

double mean_difference(const Image& a, const Image& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.pixels.size(); ++i) sum += std::abs(a.pixels[i] - b.pixels[i]);
  return sum / static_cast<double>(a.pixels.size());
}

// Smooth, so that JPEG can keep it.
Image make_ramp(int width, int height, int channels) {
  Image image{width, height, channels, {}};
  for (int i = 0; i < width * height * channels; ++i) {
    const int pixel = i / channels;
    image.pixels.push_back(
        static_cast<std::uint8_t>(std::min(pixel % width * 2 + pixel / width + 20 * (i % channels), 255)));
  }
  return image;
}

template <typename Body>
std::string error_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(EncodeTest, PngGivesThePixelsBack) {
  for (const int channels : {1, 3}) {
    for (const auto& [width, height] : {std::pair(1, 1), {1, 300}, {257, 1}, {65, 33}}) {
      const Image image = testing::make_picture(width, height, channels);
      const Image back = decode(encode_png(image), channels);
      ASSERT_EQ(back.width, width);
      ASSERT_EQ(back.height, height);
      if (channels == 3) {
        EXPECT_EQ(back.pixels, image.pixels);
      } else {
        EXPECT_LE(mean_difference(back, image), 0.0) << "luma of equal channels is their value";
      }
    }
  }
}

TEST(EncodeTest, JpegGivesNearlyThePixels) {
  for (const int channels : {1, 3}) {
    const Image image = make_ramp(83, 47, channels);
    const Image back = decode(encode_jpeg(image, 95), channels);
    ASSERT_EQ(back.width, 83);
    ASSERT_EQ(back.height, 47);
    EXPECT_LT(mean_difference(back, image), 1.5);
  }
}

TEST(EncodeTest, LowerQualityIsSmallerAndFurtherAway) {
  const Image image = testing::make_picture(120, 90, 3);
  std::size_t size = 0;
  double difference = 1e9;
  for (const int quality : {1, 30, 60, 89, 90, 100}) {
    const auto bytes = encode_jpeg(image, quality);
    EXPECT_GT(bytes.size(), size) << quality;
    size = bytes.size();
    const double now = mean_difference(decode(bytes, 3), image);
    EXPECT_LT(now, difference) << quality;
    difference = now;
  }
  EXPECT_LT(difference, 1.0);
}

TEST(EncodeTest, SameBytesEveryTime) {
  const Image image = testing::make_picture(300, 200, 3);  // larger than the first buffer
  EXPECT_EQ(encode_jpeg(image), encode_jpeg(image));
  EXPECT_EQ(encode_png(image), encode_png(image));
  EXPECT_GT(encode_jpeg(image).size(), 16U * 1024);
}

TEST(EncodeTest, RefusesWhatIsNoPicture) {
  const Image good = testing::make_picture(4, 4, 3);
  Image bad = good;
  bad.pixels.pop_back();
  EXPECT_THAT(error_of([&] { encode_png(bad); }), HasSubstr("PNG: 47 values, but 4x4 pixels of 3 channels have 48"));
  EXPECT_THAT(error_of([&] { encode_jpeg(bad); }), HasSubstr("JPEG: 47 values"));
  EXPECT_THAT(error_of([&] { encode_png({2, 2, 4, std::vector<std::uint8_t>(16)}); }), HasSubstr("4 channels"));
  EXPECT_THAT(error_of([&] { encode_png({0, 2, 3, {}}); }), HasSubstr("0x2 pixels"));
  EXPECT_THAT(error_of([&] {
                encode_jpeg({65'501, 1, 1, std::vector<std::uint8_t>(65'501)});
              }),
              HasSubstr("65501x1 pixels; 1 to 65500"));
  EXPECT_THAT(error_of([&] { encode_jpeg(good, 0); }), HasSubstr("quality of 0"));
  EXPECT_THAT(error_of([&] { encode_jpeg(good, 101); }), HasSubstr("quality of 101"));
}

TEST(EncodeTest, WritesByTheEndOfTheName) {
  std::string pattern = (fs::temp_directory_path() / "resnet-XXXXXX").string();
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  const fs::path directory = pattern;
  const Image image = testing::make_picture(20, 10, 3);
  write_image(directory / "a.PNG", image);
  EXPECT_EQ(read_image(directory / "a.PNG").pixels, image.pixels);
  write_image(directory / "a.jpeg", image);
  EXPECT_EQ(read_image(directory / "a.jpeg").pixels, decode_image(encode_jpeg(image), "x").pixels);
  EXPECT_THAT(error_of([&] { write_image(directory / "a.bmp", image); }), HasSubstr("a.bmp: the name must end in"));
  EXPECT_THAT(error_of([&] { write_image(directory / "png", image); }), HasSubstr("the name must end in"));
  EXPECT_THAT(error_of([&] { write_image(directory / "no/a.png", image); }), HasSubstr("cannot write"));
  EXPECT_EQ(std::distance(fs::directory_iterator(directory), {}), 2) << "nothing else is left there";
  fs::remove_all(directory);
}

}  // namespace
}  // namespace resnet
