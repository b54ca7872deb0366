// Sizes by headers are those of the decoded pictures.
#include "image/picture_size.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "base/file.h"
#include "formats/npy.h"
#include "resnet/error.h"
#include "resnet/image.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;

TEST(PictureSizeTest, IsThatOfTheDecodedPicture) {
  int pictures = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(RESNET_SOURCE_DIR) / "tests/golden/image")) {
    if (entry.path().extension() == ".npy") continue;
    const std::string path = entry.path().string();
    const std::vector<std::byte> bytes = read_file(path);
    const Image image = decode_image(bytes, path);
    EXPECT_EQ(picture_size(bytes, path), (PictureSize{image.width, image.height})) << path;
    ++pictures;
  }
  EXPECT_GT(pictures, 20);
}

TEST(PictureSizeTest, NeedsNoMoreThanTheHeader) {
  const fs::path folder = fs::path(RESNET_SOURCE_DIR) / "tests/golden/image";
  for (const char* name : {"33x31-RGB.jpg", "c6-d16-9x9-i0.png"}) {
    const std::vector<std::byte> bytes = read_file((folder / name).string());
    const std::span<const std::byte> front = std::span(bytes).first(bytes.size() * 9 / 10);
    EXPECT_EQ(picture_size(front, name), picture_size(bytes, name)) << name;
    for (std::size_t length = 0; length < bytes.size(); ++length) {  // an error or the size, never another one
      try {
        EXPECT_EQ(picture_size(std::span(bytes).first(length), name), picture_size(bytes, name)) << name << length;
      } catch (const Error&) {
      }
    }
  }
}

TEST(PictureSizeTest, OfArrays) {
  const std::vector<std::uint8_t> pixels(5 * 7 * 3);
  EXPECT_EQ(picture_size(make_npy(std::vector<std::int64_t>{5, 7, 3}, pixels), "a.npy"), (PictureSize{7, 5}));
  EXPECT_EQ(picture_size(make_npy(std::vector<std::int64_t>{105}, pixels), "a.npy"), std::nullopt);
}

TEST(PictureSizeTest, RefusesWhatIsNoPicture) {
  const auto message = [](std::string_view text) -> std::string {
    try {
      picture_size(std::as_bytes(std::span(text)), "a.png");
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message(""), "a.png: the file is empty");
  EXPECT_EQ(message("\x89PNG\r\n\x1A\n"), "a.png: its header is broken or cut short");
  EXPECT_EQ(message("\xFF\xD8\xFF\xE0"), "a.png: its header is broken or cut short");
}

}  // namespace
}  // namespace resnet
