// What people are told of pictures that become other pixels here than in torchvision: once a kind, naming the first.
#pragma once

#include <string>
#include <vector>

#include "resnet/image.h"

namespace resnet {

// For one thread.
class PictureNotices {
 public:
  // The lines to say of this picture; empty where nothing was done to it, or all of it was said of another.
  std::vector<std::string> take(const std::string& path, const PictureNotes& notes);

 private:
  PictureNotes said_;
};

}  // namespace resnet
