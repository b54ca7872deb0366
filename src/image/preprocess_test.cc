#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <random>

#include "base/file.h"
#include "formats/npy.h"
#include "image/test_pictures.h"
#include "resnet/error.h"
#include "resnet/image.h"
#include "resnet/preprocessing.h"

namespace resnet {
namespace {

using testing::Bytes;

// Values stay 0..255 / 255.
Preprocessing plain(int resize, int height, int width, std::size_t channels = 3) {
  Preprocessing how;
  how.resize = resize;
  how.height = height;
  how.width = width;
  how.mean.assign(channels, 0);
  how.std.assign(channels, 1);
  return how;
}

std::vector<float> tensor_of(const Image& image, const Preprocessing& how) {
  std::vector<float> out(how.mean.size() * static_cast<std::size_t>(how.height) * static_cast<std::size_t>(how.width));
  preprocess(image, how, out);
  return out;
}

std::vector<float> loaded(std::span<const std::byte> bytes, const Preprocessing& how) {
  std::vector<float> out(how.mean.size() * static_cast<std::size_t>(how.height) * static_cast<std::size_t>(how.width));
  load_input(bytes, "x", how, out);
  return out;
}

ErrorCode error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::kNotFound;
}

// A gray row whose pixel x has the value x.
Image ramp(int width) {
  Image image{width, 1, 1, {}};
  for (int x = 0; x < width; ++x) image.pixels.push_back(static_cast<std::uint8_t>(x));
  return image;
}

// The value of the first pixel that a crop of a ramp keeps.
int first_kept(int width, int crop) {
  return static_cast<int>(std::lround(tensor_of(ramp(width), plain(1, 1, crop, 1))[0] * 255));
}

TEST(PreprocessTest, CropRoundsHalvesToEven) {
  EXPECT_EQ(first_kept(10, 4), 3);
  EXPECT_EQ(first_kept(9, 4), 2);   // 2.5
  EXPECT_EQ(first_kept(11, 4), 4);  // 3.5
  EXPECT_EQ(first_kept(5, 4), 0);   // 0.5
  EXPECT_EQ(first_kept(7, 4), 2);   // 1.5
}

TEST(PreprocessTest, BlackSurroundsSmallPictures) {
  const Image white{2, 1, 1, {255, 255}};
  const std::vector<float> out = tensor_of(white, plain(1, 4, 5, 1));
  const std::vector<float> expected = {0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};  // 1 left, 1 above
  EXPECT_EQ(out, expected);
}

TEST(PreprocessTest, NormalisesInFloat32) {
  Image image{256, 1, 3, {}};
  for (int i = 0; i < 256; ++i) image.pixels.insert(image.pixels.end(), 3, static_cast<std::uint8_t>(i));
  Preprocessing how = preset("torchvision");
  how.resize = 0;
  how.height = 1;
  how.width = 256;
  const std::vector<float> out = tensor_of(image, how);
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = 0; i < 256; ++i) {
      const float scaled = static_cast<float>(i) / 255.0F;
      const float centred = scaled - how.mean[c];
      EXPECT_EQ(out[c * 256 + i], centred / how.std[c]);
    }
  }
}

TEST(PreprocessTest, PutsChannelsInOrder) {
  const Image image{2, 1, 3, {10, 20, 30, 40, 50, 60}};
  Preprocessing how = plain(0, 1, 2);
  how.mean = {1.0F / 255, 2.0F / 255, 3.0F / 255};
  how.std = {1.0F / 255, 1.0F / 255, 1.0F / 255};
  const auto rounded = [&] {
    std::vector<float> values = tensor_of(image, how);
    for (float& value : values) value = std::round(value);
    return values;
  };
  EXPECT_THAT(rounded(), ::testing::ElementsAre(9, 39, 18, 48, 27, 57));
  how.channels = ChannelOrder::kBgr;
  EXPECT_THAT(rounded(), ::testing::ElementsAre(29, 59, 18, 48, 7, 37));
  EXPECT_EQ(parse_channel_order(name(ChannelOrder::kBgr)), ChannelOrder::kBgr);
  EXPECT_EQ(error_of([] { parse_channel_order("grb"); }), ErrorCode::kInvalidArgument);
  Preprocessing gray = plain(0, 1, 2, 1);
  gray.channels = ChannelOrder::kBgr;
  EXPECT_EQ(error_of([&] { validate(gray); }), ErrorCode::kInvalidArgument);
}

TEST(PreprocessTest, Presets) {
  EXPECT_EQ(preset("torchvision").resize, 256);
  EXPECT_EQ(preset("torchvision-v2").resize, 232);
  EXPECT_EQ(preset("timm").resize, 235);
  EXPECT_EQ(preset("timm").interpolation, Interpolation::kBicubic);
  EXPECT_EQ(preset("cifar").resize, 0);
  EXPECT_EQ(preset("cifar").width, 32);
  EXPECT_THROW(preset("imagenet"), Error);
}

TEST(PreprocessTest, SaysWhatTheCropKeeps) {
  Preprocessing how;
  how.resize = 100;
  how.width = 80;
  how.height = 60;
  const SeenPart middle = seen_part(400, 200, how);  // 200x100, of which columns from 60 and rows from 20
  EXPECT_DOUBLE_EQ(middle.left, 0.3);
  EXPECT_DOUBLE_EQ(middle.top, 0.2);
  EXPECT_DOUBLE_EQ(middle.width, 0.4);
  EXPECT_DOUBLE_EQ(middle.height, 0.6);
  how.resize = 40;
  const SeenPart padded = seen_part(400, 400, how);
  EXPECT_DOUBLE_EQ(padded.left, -0.5);
  EXPECT_DOUBLE_EQ(padded.width, 2);
  EXPECT_DOUBLE_EQ(padded.top, -0.25);
  EXPECT_THROW(seen_part(400, 400, preset("cifar")), Error);
}

TEST(PreprocessTest, RefusesWhatDoesNotFit) {
  const Image image = testing::make_picture(8, 8, 3);
  std::vector<float> small(10);
  EXPECT_EQ(error_of([&] { preprocess(image, plain(8, 8, 8), small); }), ErrorCode::kMismatch);
  EXPECT_EQ(error_of([&] { tensor_of(image, plain(8, 8, 8, 1)); }), ErrorCode::kMismatch);
  EXPECT_EQ(error_of([&] { tensor_of(image, plain(0, 8, 9)); }), ErrorCode::kMismatch);
  EXPECT_EQ(error_of([&] { loaded(testing::make_png(image, false), plain(8, 8, 8, 2)); }), ErrorCode::kMismatch);
}

TEST(PreprocessTest, RefusesNonsense) {
  const auto code = [](const std::function<void(Preprocessing&)>& change) {
    Preprocessing how;
    change(how);
    return error_of([&] { validate(how); });
  };
  EXPECT_EQ(code([](Preprocessing&) {}), ErrorCode::kNotFound);
  EXPECT_EQ(code([](Preprocessing& how) { how.height = 0; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](Preprocessing& how) { how.width = 100'000; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](Preprocessing& how) { how.resize = -1; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](Preprocessing& how) { how.mean.clear(); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](Preprocessing& how) { how.std[1] = 0; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](Preprocessing& how) { how.mean[0] = std::numeric_limits<float>::quiet_NaN(); }),
            ErrorCode::kInvalidArgument);
}

TEST(PreprocessTest, ExtremeShapes) {
  for (const auto& [width, height] : {std::pair(1, 3000), {3000, 1}, {1, 1}}) {
    const Image image{width, height, 3, std::vector<std::uint8_t>(static_cast<std::size_t>(width * height * 3), 100)};
    const std::vector<float> out = tensor_of(image, plain(256, 224, 224));
    EXPECT_FLOAT_EQ(out[112 * 224 + 112], 100.0F / 255);
  }
}

class ArrayTest : public ::testing::Test {
 protected:
  ~ArrayTest() override { std::filesystem::remove(path_); }

  std::vector<std::byte> written(std::vector<std::int64_t> shape, const auto& values) {
    write_npy(path_, shape, std::span(values));
    return read_file(path_);
  }

  std::string path_ = std::filesystem::temp_directory_path() / ("resnet-array-" + std::to_string(::getpid()) + ".npy");
};

TEST_F(ArrayTest, FloatsPassUnchanged) {
  const std::vector<float> values = {1, -2, 3.5F, 4, 5, 6, 7, 8};
  for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{2, 2, 2}, {1, 2, 2, 2}}) {
    EXPECT_EQ(loaded(written(shape, values), plain(0, 2, 2, 2)), values);
  }
  EXPECT_EQ(error_of([&] { loaded(written({2, 2, 2}, values), plain(0, 2, 2, 3)); }), ErrorCode::kMismatch);
  EXPECT_EQ(error_of([&] { loaded(written({8}, values), plain(0, 2, 2, 2)); }), ErrorCode::kMismatch);
}

TEST_F(ArrayTest, BytesAreAPicture) {
  for (const int channels : {1, 2, 3, 4}) {
    const Image image = testing::make_picture(20, 14, channels);
    const Preprocessing how = plain(10, 8, 9, static_cast<std::size_t>(channels));
    EXPECT_EQ(loaded(written({14, 20, channels}, image.pixels), how), tensor_of(image, how));
    if (channels == 1) {
      EXPECT_EQ(loaded(written({14, 20}, image.pixels), how), tensor_of(image, how));
    }
  }
  const std::vector<std::uint8_t> none;
  EXPECT_EQ(error_of([&] { loaded(written({0, 3, 3}, none), plain(8, 8, 8)); }), ErrorCode::kFormat);
}

// Decoding only what the crop keeps gives what decoding everything gives.
TEST(PropertyLoadInputTest, EqualsDecodingEverything) {
  std::mt19937 random(5);
  for (int round = 0; round < 150; ++round) {
    const int width = 20 + static_cast<int>(random() % 150);
    const int height = 20 + static_cast<int>(random() % 150);
    testing::JpegOptions options;
    options.horizontal_sampling = 1 + static_cast<int>(random() % 2);
    options.vertical_sampling = 1 + static_cast<int>(random() % 2);
    options.progressive = round % 5 == 0;
    options.restart_interval = static_cast<int>(random() % 4);
    const Bytes file =
        testing::make_jpeg(testing::make_picture(width, height, round % 7 == 0 ? 1 : 3, random()), options);
    const Preprocessing how = plain(20 + static_cast<int>(random() % 100), 1 + static_cast<int>(random() % 90),
                                    1 + static_cast<int>(random() % 90));
    EXPECT_EQ(loaded(file, how), tensor_of(decode_image(file, "x"), how)) << width << "x" << height;
  }
}

}  // namespace
}  // namespace resnet
