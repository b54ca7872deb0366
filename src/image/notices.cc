#include "image/notices.h"

namespace resnet {

std::vector<std::string> PictureNotices::take(const std::string& path, const PictureNotes& notes) {
  std::vector<std::string> lines;
  if (notes.turned && !said_.turned) {
    said_.turned = true;
    lines.push_back(path +
                    ": turned as its EXIF data says, which torchvision does not do; said of the first picture only");
  }
  if (notes.high_byte && !said_.high_byte) {
    said_.high_byte = true;
    lines.push_back(
        path +
        ": the high byte of its 16-bit gray is taken, where torchvision clips it to white; said of the first "
        "picture only");
  }
  return lines;
}

}  // namespace resnet
