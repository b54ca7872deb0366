// CIFAR's version for Python: each file a pickled dictionary. It is read as plain values; nothing in it is executed
// (formats/pickle.h).
#pragma once

#include <string>
#include <vector>

#include "dataset/container.h"

namespace resnet {

struct PickledPictures {
  FileBytes pixels;         // `bytes_each` of each picture, planes of red, green and blue
  std::vector<int> labels;  // as many; negative or large where the file says so
};

// {b"data": a uint8 array of shape N x `bytes_each`, `labels_key`: a list of N numbers}, as numpy and pickle of any
// version write it, keys as text or bytes. `where` names it in errors. Throws kFormat, kUnsupported, kLimit.
PickledPictures read_pickled_pictures(FileBytes file, const std::string& labels_key, std::size_t bytes_each,
                                      const std::string& where);

// {`names_key`: a list of names}. Throws the same.
std::vector<std::string> read_pickled_names(std::span<const std::byte> bytes, const std::string& names_key,
                                            const std::string& where);

}  // namespace resnet
