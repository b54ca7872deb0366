#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <map>
#include <random>
#include <thread>

#include "base/file.h"
#include "formats/npy.h"
#include "image/test_pictures.h"
#include "resnet/error.h"
#include "resnet/image.h"
#include "resnet/preprocessing.h"

namespace resnet {
namespace {

using testing::Bytes;
using ::testing::HasSubstr;

// One small file of each kind that takes a way of its own through the decoders.
std::map<std::string, Bytes> one_of_each() {
  const Image rgb = testing::make_picture(40, 30, 3);
  std::map<std::string, Bytes> files;
  files["gray.jpg"] = testing::make_jpeg(testing::make_picture(40, 30, 1), {});
  files["444.jpg"] = testing::make_jpeg(rgb, {});
  files["420.jpg"] = testing::make_jpeg(rgb, {.horizontal_sampling = 2, .vertical_sampling = 2});
  files["restart.jpg"] = testing::make_jpeg(rgb, {.horizontal_sampling = 2, .restart_interval = 1});
  files["progressive.jpg"] = testing::make_jpeg(rgb, {.progressive = true});
  files["cmyk.jpg"] = testing::make_jpeg(testing::make_picture(40, 30, 4), {});
  files["gray.png"] = testing::make_png(testing::make_picture(20, 15, 1), false);
  files["rgba.png"] = testing::make_png(testing::make_picture(20, 15, 4), false);
  files["interlaced.png"] = testing::make_png(testing::make_picture(20, 15, 3), true);
  files["lossy.webp"] = testing::make_webp(rgb, false);
  files["alpha.webp"] = testing::make_webp(testing::make_picture(20, 15, 4), false);
  files["lossless.webp"] = testing::make_webp(testing::make_picture(20, 15, 4), true);
  return files;
}

// The error that decoding gives; kNotFound, which decoding never gives, where there is none.
ErrorCode error_of(std::span<const std::byte> bytes, const std::string& where = "x.jpg") {
  try {
    decode_image(bytes, where);
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(where));
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    return error.code();
  }
  return ErrorCode::kNotFound;
}

Preprocessing small_crop() {
  Preprocessing how;
  how.height = how.width = 8;
  how.resize = 16;
  return how;
}

// Big-endian bytes at a place.
void put(Bytes& bytes, std::size_t at, std::initializer_list<int> values) {
  for (const int value : values) bytes[at++] = static_cast<std::byte>(value);
}

std::size_t find(const Bytes& bytes, std::initializer_list<int> pattern) {
  Bytes wanted;
  for (const int value : pattern) wanted.push_back(static_cast<std::byte>(value));
  return static_cast<std::size_t>(std::search(bytes.begin(), bytes.end(), wanted.begin(), wanted.end()) -
                                  bytes.begin());
}

TEST(DecodeTest, LosslessFormatsGiveTheirPixels) {
  const Image rgb = testing::make_picture(33, 21, 3);
  for (const Bytes& file :
       {testing::make_png(rgb, false), testing::make_png(rgb, true), testing::make_webp(rgb, true)}) {
    const Image image = decode_image(file, "x");
    EXPECT_EQ(image.width, 33);
    EXPECT_EQ(image.height, 21);
    EXPECT_EQ(image.pixels, rgb.pixels);
  }
}

TEST(DecodeTest, DropsAlphaWithoutBlending) {
  const Image rgba = testing::make_picture(9, 7, 4);
  const Image image = decode_image(testing::make_png(rgba, false), "x");
  for (std::size_t i = 0; i < image.pixels.size(); ++i) ASSERT_EQ(image.pixels[i], rgba.pixels[i / 3 * 4 + i % 3]);
}

TEST(DecodeTest, GrayIsLuma) {
  Image rgb{2, 1, 3, {255, 0, 0, 10, 200, 30}};
  const Image gray = decode_image(testing::make_png(rgb, false), "x", {.mode = ColorMode::kGray});
  EXPECT_EQ(gray.channels, 1);
  EXPECT_EQ(gray.pixels, (std::vector<std::uint8_t>{76, 124}));  // (299 R + 587 G + 114 B) / 1000, rounded
}

TEST(DecodeTest, DecodesOneOfEach) {
  for (const auto& [name, file] : one_of_each()) {
    const Image image = decode_image(file, name);
    EXPECT_EQ(image.pixels.size(), static_cast<std::size_t>(image.width * image.height * 3)) << name;
    EXPECT_GE(image.width, 20) << name;
  }
}

// A file cannot lack a byte, but of a PNG the checksum of the packed pixels, that of the chunk (4 bytes each) and the
// end chunk (12); the last two bytes of packed pixels need not hold any.
std::size_t needed_bytes(const std::string& name, const Bytes& file) {
  return name.ends_with(".png") ? file.size() - 22 : file.size();
}

TEST(DecodeTest, EveryPrefixIsAnError) {
  for (const auto& [name, file] : one_of_each()) {
    for (std::size_t size = 0; size < needed_bytes(name, file); ++size) {
      ASSERT_EQ(error_of(std::span(file).first(size), name), ErrorCode::kFormat) << name << " cut at " << size;
    }
  }
}

TEST(DecodeTest, EveryPrefixIsAnErrorForTheCropToo) {
  std::vector<float> out(3 * 8 * 8);
  for (const auto& [name, file] : one_of_each()) {
    for (std::size_t size = 0; size < needed_bytes(name, file); ++size) {
      ASSERT_THROW(load_input(std::span(file).first(size), name, small_crop(), out), Error) << name << " at " << size;
    }
    EXPECT_NO_THROW(load_input(file, name, small_crop(), out)) << name;
  }
}

TEST(DecodeTest, APngMayLackWhatFollowsItsPixels) {
  for (const auto& [name, file] : one_of_each()) {
    const Image whole = decode_image(file, name);
    const std::size_t enough = name.ends_with(".png") ? file.size() - 20 : file.size();
    for (std::size_t size = enough; size < file.size(); ++size) {
      EXPECT_EQ(decode_image(std::span(file).first(size), name).pixels, whole.pixels) << name << " cut at " << size;
    }
  }
}

// As Pillow 13 reads them (tests/reference/image_parity.py compares).
TEST(DecodeTest, WhatFollowsThePixelsOfAPngMayBeAnything) {
  const Image rgb = testing::make_picture(20, 15, 3);
  const Bytes file = testing::make_png(rgb, false);
  const auto with = [&](std::string_view rest) {
    Bytes changed(file.begin(), file.end() - 12);
    for (const char c : rest) changed.push_back(static_cast<std::byte>(c));
    return changed;
  };
  using namespace std::string_view_literals;
  for (const std::string_view rest : {""sv, "\0\0"sv, "\0\0\0\0\0\0\0\0\0\0"sv, "random bytes behind it all"sv,
                                      "\0\0\0\5tEXta\0bcd"sv, "\0\0\0\5tEXta\0bcdwrong sum"sv, "\0\0\0\0IENDwrong"sv}) {
    EXPECT_EQ(decode_image(with(rest), "x").pixels, rgb.pixels) << rest;
  }
  EXPECT_EQ(error_of(with("\0\0\0\5tEXta\0bc"sv)), ErrorCode::kFormat);
  EXPECT_EQ(error_of(with("\0\0\0\2tEXta\0sum_\0\0\1\0tEXta"sv)), ErrorCode::kFormat);
}

TEST(DecodeTest, OfAnAnimationTheFirstPictureIsEnough) {
  const Image rgb = testing::make_picture(20, 15, 3);
  const Bytes file = testing::make_png(rgb, false);
  const auto animation = [&](std::uint8_t frames, bool is_first_frame) {
    constexpr std::size_t kHead = 33;  // the signature and IHDR
    Bytes bytes(file.begin(), file.begin() + kHead);
    const auto add = [&](std::string chunk) {  // with its checksum; its length is that of its data
      std::string number(4, '\0');
      number[3] = static_cast<char>(chunk.size() - 4);
      const auto sum = crc32_z(0, reinterpret_cast<const Bytef*>(chunk.data()), chunk.size());
      for (int shift = 24; shift >= 0; shift -= 8) chunk += static_cast<char>(sum >> shift);
      for (const char c : number + chunk) bytes.push_back(static_cast<std::byte>(c));
    };
    add(std::string("acTL\0\0\0", 7) + static_cast<char>(frames) + std::string(4, '\0'));
    if (is_first_frame) add("fcTL" + std::string(26, '\0'));
    bytes.insert(bytes.end(), file.begin() + kHead, file.end() - 12);
    add("fcTL" + std::string(26, '\0'));
    for (const char c : std::string("\0\0\1\0fdAT\0\0\0\1cut", 15)) bytes.push_back(static_cast<std::byte>(c));
    return bytes;
  };
  EXPECT_EQ(decode_image(animation(2, true), "x").pixels, rgb.pixels);
  EXPECT_EQ(decode_image(animation(1, false), "x").pixels, rgb.pixels);
  EXPECT_EQ(error_of(animation(1, true)), ErrorCode::kFormat);
  EXPECT_EQ(error_of(animation(0, false)), ErrorCode::kFormat);
}

TEST(DecodeTest, TellsWhatTorchvisionDoesNotDo) {
  const auto notes_of = [](std::span<const std::byte> bytes, const DecodeOptions& given = {}) {
    PictureNotes notes{true, true};
    DecodeOptions options = given;
    options.notes = &notes;
    decode_image(bytes, "x", options);
    std::vector<float> out(3 * 8 * 8);
    PictureNotes of_crop;
    options.notes = &of_crop;
    load_input(bytes, "x", small_crop(), out, options);
    EXPECT_EQ(of_crop.turned, notes.turned);
    EXPECT_EQ(of_crop.high_byte, notes.high_byte);
    return (notes.turned ? "turned " : "") + std::string(notes.high_byte ? "high byte" : "");
  };
  for (const auto& [name, file] : one_of_each()) EXPECT_EQ(notes_of(file), "") << name;
  const std::filesystem::path folder = std::filesystem::path(RESNET_SOURCE_DIR) / "tests/golden/image";
  for (const char* name : {"exif-3.jpg", "exif-6.jpg", "exif-8.png", "exif-5.webp"}) {
    const auto file = read_file(folder / name);
    EXPECT_EQ(notes_of(file), "turned ") << name;
    EXPECT_EQ(notes_of(file, {.apply_orientation = false}), "") << name;
  }
  EXPECT_EQ(notes_of(read_file(folder / "c0-d16-9x9-i0.png")), "high byte");
  EXPECT_EQ(notes_of(read_file(folder / "c6-d16-9x9-i0.png")), "") << "Pillow's high byte, too";
}

TEST(DecodeTest, LargePicturesTakeTurns) {
  // 12,000 x 9,000 pixels that are missing: refused while others of that size are decoded, and the turn is given back.
  Bytes file = testing::make_jpeg(testing::make_picture(16, 16, 3), {});
  put(file, find(file, {0xFF, 0xC0}) + 5, {0x23, 0x28, 0x2E, 0xE0});
  file.resize(file.size() - 2);
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) threads.emplace_back([&] { EXPECT_EQ(error_of(file), ErrorCode::kFormat); });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(error_of(file), ErrorCode::kFormat);
}

TEST(DecodeTest, DamagedFilesGiveAnErrorOrAPicture) {
  std::mt19937 random(7);
  std::vector<float> out(3 * 8 * 8);
  for (const auto& [name, file] : one_of_each()) {
    for (int round = 0; round < 200; ++round) {
      Bytes damaged = file;
      for (int i = 0; i < 3; ++i) damaged[random() % damaged.size()] = static_cast<std::byte>(random());
      try {
        const Image image = decode_image(damaged, name, {.max_pixels = 100'000});
        EXPECT_EQ(image.pixels.size(),
                  static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3);
        load_input(damaged, name, small_crop(), out, {.max_pixels = 100'000});
      } catch (const Error& error) {
        EXPECT_THAT(error.what(), HasSubstr(name));
      }
    }
  }
}

TEST(DecodeTest, RefusesWhatIsNoPicture) {
  const std::string text = "This is a letter, not a photograph.";
  EXPECT_EQ(error_of(std::as_bytes(std::span(text))), ErrorCode::kFormat);
  EXPECT_EQ(error_of({}), ErrorCode::kFormat);
}

TEST(DecodeTest, JpegHeadersOfImpossibleSize) {
  const Bytes file = testing::make_jpeg(testing::make_picture(16, 16, 3), {});
  const std::size_t size_at = find(file, {0xFF, 0xC0}) + 5;
  Bytes changed = file;
  put(changed, size_at, {0xFF, 0xFF, 0xFF, 0xFF});
  EXPECT_EQ(error_of(changed), ErrorCode::kFormat);  // libjpeg's own limit is 65,500
  put(changed, size_at, {0xFF, 0x00, 0xFF, 0x00});
  EXPECT_EQ(error_of(changed), ErrorCode::kLimit);
  put(changed, size_at, {0x00, 0x00, 0x00, 0x10});
  EXPECT_EQ(error_of(changed), ErrorCode::kFormat);
  put(changed, size_at, {0x00, 0x10, 0x00, 0x00});
  EXPECT_EQ(error_of(changed), ErrorCode::kFormat);
}

TEST(DecodeTest, LimitIsOnDeclaredPixels) {
  Bytes large = testing::make_jpeg(testing::make_picture(16, 16, 3), {});
  const std::size_t size_at = find(large, {0xFF, 0xC0}) + 5;
  put(large, size_at, {0x00, 0x02, 0xFF, 0xDC});  // 65,500 x 2
  EXPECT_NO_THROW(decode_image(large, "x", {.max_pixels = 131'000}));
  EXPECT_EQ(DecodeOptions().max_pixels, 178'956'970) << "Pillow's";
  put(large, size_at, {0x34, 0x42, 0x34, 0x42});  // 13,378 x 13,378 is more by 14,914
  EXPECT_EQ(error_of(large), ErrorCode::kLimit);
  const Bytes file = testing::make_jpeg(testing::make_picture(16, 16, 3), {});
  EXPECT_NO_THROW(decode_image(file, "x", {.max_pixels = 256}));
  EXPECT_THROW(decode_image(file, "x", {.max_pixels = 255}), Error);
}

TEST(DecodeTest, PngHeadersOfImpossibleSize) {
  for (const std::initializer_list<int> size : {std::initializer_list<int>{0, 0, 0, 0, 0, 0, 0, 1},
                                                {0, 0, 0, 1, 0, 0, 0, 0},
                                                {0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1},
                                                {0, 0x20, 0xFF, 0xFF, 0, 0, 0, 1},
                                                {0, 0, 0xFF, 0xFF, 0, 0, 0xFF, 0xFF}}) {
    Bytes file = testing::make_png(testing::make_picture(4, 4, 3), false);
    put(file, 16, size);
    const auto checksum = static_cast<int>(::crc32(0, reinterpret_cast<const Bytef*>(file.data() + 12), 17));
    put(file, 29, {checksum >> 24, checksum >> 16, checksum >> 8, checksum});
    const ErrorCode expected =
        *(size.begin() + 2) == 0xFF && *size.begin() == 0 ? ErrorCode::kLimit : ErrorCode::kFormat;
    EXPECT_EQ(error_of(file), expected);
  }
}

TEST(DecodeTest, WebpHeaderOfImpossibleSize) {
  Bytes file = testing::make_webp(testing::make_picture(20, 15, 4), false);
  const std::size_t at = find(file, {'V', 'P', '8', 'X'});
  ASSERT_LT(at, file.size());
  put(file, at + 12, {0xFE, 0xFF, 0x00, 0xFE, 0xFF, 0x00});  // 65,535 x 65,535
  EXPECT_NE(error_of(file), ErrorCode::kNotFound);
}

// A progressive picture whose last scan is there `count` times more. A scan costs time for every pixel.
Bytes with_more_scans(int count, bool large) {
  Bytes file = testing::make_jpeg(testing::make_picture(16, 16, 3), {.progressive = true});
  std::size_t last = 0;
  for (std::size_t i = 0; i + 1 < file.size(); ++i) {
    if (file[i] == std::byte{0xFF} && file[i + 1] == std::byte{0xDA}) last = i;
  }
  if (large) put(file, find(file, {0xFF, 0xC2}) + 5, {0x27, 0x10, 0x27, 0x10});  // 10,000 x 10,000
  const Bytes scan(file.begin() + static_cast<std::ptrdiff_t>(last), file.end() - 2);
  for (int i = 0; i < count; ++i) file.insert(file.end() - 2, scan.begin(), scan.end());
  return file;
}

TEST(DecodeTest, RefusesMoreThanAHundredScans) {
  EXPECT_NO_THROW(decode_image(with_more_scans(50, false), "x"));
  EXPECT_EQ(error_of(with_more_scans(100, false)), ErrorCode::kLimit);
  const std::clock_t start = std::clock();
  EXPECT_EQ(error_of(with_more_scans(100, true)), ErrorCode::kLimit);
  EXPECT_LT(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, 0.5);
}

TEST(DecodeTest, RefusesSamplingThatMultipliesAPicture) {
  Bytes file = testing::make_jpeg(testing::make_picture(16, 16, 4), {.progressive = true});
  const std::size_t size_at = find(file, {0xFF, 0xC2}) + 5;
  put(file, size_at, {0xFF, 0x00, 0x00, 0x01});  // 1 x 65,280
  EXPECT_NO_THROW(decode_image(file, "x"));
  for (std::size_t component = 0; component < 4; ++component)
    put(file, size_at + 6 + 3 * component, {0x44});  // 4 x 4 blocks
  EXPECT_EQ(error_of(file), ErrorCode::kLimit);
}

TEST(DecodeTest, WrongPngChecksumIsAnError) {
  Bytes file = testing::make_png(testing::make_picture(4, 4, 3), false);
  file[find(file, {'I', 'D', 'A', 'T'}) + 6] ^= std::byte{1};
  EXPECT_EQ(error_of(file), ErrorCode::kFormat);
}

// Pictures with the pixels and tensors that Pillow gave for them (tests/reference/make_image_golden.py).
TEST(ParityDecodeTest, GoldenPictures) {
  const std::filesystem::path folder = std::filesystem::path(RESNET_SOURCE_DIR) / "tests/golden/image";
  Preprocessing how;
  how.height = 12;
  how.width = 16;
  how.resize = 28;
  how.interpolation = Interpolation::kBicubic;
  int count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string path = entry.path();
    if (path.ends_with(".npy")) continue;
    const std::vector<std::byte> pixels_file = read_file(path + ".pixels.npy");
    const NpyArray pixels = parse_npy(pixels_file, path);
    const Image image = read_image(path);
    ASSERT_THAT(pixels.shape, ::testing::ElementsAre(image.height, image.width, 3)) << path;
    EXPECT_TRUE(std::ranges::equal(std::as_bytes(std::span(image.pixels)), pixels.bytes)) << path;
    const std::vector<std::byte> tensor_file = read_file(path + ".tensor.npy");
    std::vector<float> tensor(std::size_t{3} * 12 * 16);
    load_input(read_file(path), path, how, tensor);
    EXPECT_TRUE(std::ranges::equal(std::as_bytes(std::span(tensor)), parse_npy(tensor_file, path).bytes)) << path;
    ++count;
  }
  EXPECT_GE(count, 15);
}

}  // namespace
}  // namespace resnet
