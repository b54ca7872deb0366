#include "image/orientation.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace resnet {
namespace {

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// EXIF is a TIFF file: a header that gives the byte order and the place of a directory of 12-byte entries.
class Tiff {
 public:
  explicit Tiff(std::string_view text) : text_(text), little_(text.starts_with("II")) {}

  // The orientation tag's value; 1 where it stands in a form that has no meaning; nothing where there is no tag.
  std::optional<std::uint32_t> orientation() const {
    constexpr std::uint32_t kOrientation = 0x0112;
    constexpr std::uint32_t kShort = 3;
    constexpr std::uint32_t kLong = 4;
    if (text_.size() < 8 || (!little_ && !text_.starts_with("MM")) || number(2, 2) != 42) return std::nullopt;
    const std::size_t directory = number(4, 4);
    if (directory > text_.size() || text_.size() - directory < 2) return std::nullopt;
    const std::size_t count = number(directory, 2);
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t entry = directory + 2 + 12 * i;
      if (entry + 12 > text_.size()) break;
      if (number(entry, 2) != kOrientation) continue;
      const std::uint32_t type = number(entry + 2, 2);
      if ((type != kShort && type != kLong) || number(entry + 4, 4) != 1) return 1;
      return number(entry + 8, type == kShort ? 2 : 4);
    }
    return std::nullopt;
  }

 private:
  std::uint32_t number(std::size_t offset, std::size_t size) const {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < size; ++i) {
      const std::size_t at = little_ ? offset + size - 1 - i : offset + i;
      value = value << 8 | static_cast<std::uint8_t>(text_[at]);
    }
    return value;
  }

  std::string_view text_;
  bool little_;
};

// tiff:Orientation="6" or <tiff:Orientation>6<
std::optional<std::uint32_t> xmp_orientation(std::string_view xmp) {
  constexpr std::string_view kName = "tiff:Orientation";
  for (std::size_t at = xmp.find(kName); at != std::string_view::npos; at = xmp.find(kName, at + 1)) {
    std::string_view rest = xmp.substr(at + kName.size());
    if (rest.starts_with("=\"")) {
      rest.remove_prefix(2);
    } else if (rest.starts_with(">")) {
      rest.remove_prefix(1);
    } else {
      continue;
    }
    if (!rest.empty() && rest[0] >= '0' && rest[0] <= '9') return static_cast<std::uint32_t>(rest[0] - '0');
  }
  return std::nullopt;
}

}  // namespace

int orientation(std::span<const std::byte> exif, std::span<const std::byte> xmp) {
  constexpr std::string_view kPrefix("Exif\0\0", 6);
  std::string_view text = text_of(exif);
  for (int i = 0; i < 2 && text.starts_with(kPrefix); ++i) text.remove_prefix(kPrefix.size());
  std::optional<std::uint32_t> value = Tiff(text).orientation();
  if (!value) value = xmp_orientation(text_of(xmp));
  return value && *value >= 1 && *value <= 8 ? static_cast<int>(*value) : 1;
}

Image turn(Image image, int orientation) {
  if (orientation == 1) return image;
  const bool swap = orientation >= 5;  // rows become columns
  const bool flip_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flip_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image result{swap ? image.height : image.width, swap ? image.width : image.height, image.channels, {}};
  result.pixels.resize(image.pixels.size());
  const auto channels = static_cast<std::size_t>(image.channels);
  std::uint8_t* out = result.pixels.data();
  for (int y = 0; y < result.height; ++y) {
    for (int x = 0; x < result.width; ++x) {
      int from_x = swap ? y : x;
      int from_y = swap ? x : y;
      if (flip_x) from_x = image.width - 1 - from_x;
      if (flip_y) from_y = image.height - 1 - from_y;
      const std::size_t from = (static_cast<std::size_t>(from_y) * static_cast<std::size_t>(image.width) +
                                static_cast<std::size_t>(from_x)) *
                               channels;
      for (std::size_t c = 0; c < channels; ++c) *out++ = image.pixels[from + c];
    }
  }
  return result;
}

}  // namespace resnet
