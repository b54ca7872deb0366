#include <algorithm>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "image/encoders.h"

namespace resnet {

void check_encodable(const Image& image, int max_side, std::string_view format) {
  if (image.channels != 1 && image.channels != 3) {
    fail(ErrorCode::kInvalidArgument, std::string(format), "a picture of {} channels; 1 or 3 can be written",
         image.channels);
  }
  if (image.width < 1 || image.height < 1 || image.width > max_side || image.height > max_side) {
    fail(ErrorCode::kInvalidArgument, std::string(format), "a picture of {}x{} pixels; 1 to {} a side can be written",
         image.width, image.height, max_side);
  }
  const std::size_t needed = static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) *
                             static_cast<std::size_t>(image.channels);
  if (image.pixels.size() != needed) {
    fail(ErrorCode::kInvalidArgument, std::string(format), "{} values, but {}x{} pixels of {} channels have {}",
         image.pixels.size(), image.width, image.height, image.channels, needed);
  }
}

void write_image(const std::string& path, const Image& image) {
  std::string ending = path.substr(std::min(path.rfind('.'), path.size()));
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](char c) { return 'A' <= c && c <= 'Z' ? c + 32 : c; });
  std::vector<std::byte> bytes;
  if (ending == ".png") {
    bytes = encode_png(image);
  } else if (ending == ".jpg" || ending == ".jpeg") {
    bytes = encode_jpeg(image);
  } else {
    fail(ErrorCode::kInvalidArgument, path, "the name must end in .png, .jpg or .jpeg");
  }
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace resnet
