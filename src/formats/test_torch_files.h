// What the tests of PyTorch's files share: files of one tensor on a small storage, and what was found in them.
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "formats/test_archives.h"
#include "formats/test_files.h"
#include "formats/torch_file.h"

namespace resnet {

inline const std::string kFour("\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0", 16);  // four IntStorage elements: 0, 1, 2, 3

class TorchFormatTest : public FormatTest {
 protected:
  TensorFile read_bytes(const std::string& bytes) const { return read_torch_file(file_of_bytes(bytes), path("m.pth")); }
  std::string refusal(const std::string& bytes) const {
    return error_of(path("m.pth"), [&] { read_bytes(bytes); });
  }
  // Tensor 'a' on a storage of four 32-bit integers.
  std::string refused(const std::string& value) const {
    return refusal(test::torch_zip(test::pickle(test::dict(test::text("a") + value)), kFour));
  }
  Tensor read_one(const std::string& value) const {
    return read_bytes(test::torch_zip(test::pickle(test::dict(test::text("a") + value)), kFour)).tensors.at("a");
  }
};

inline std::vector<int> ints(const Tensor& tensor) {
  std::vector<int> values(tensor.bytes().size() / 4);
  std::memcpy(values.data(), tensor.bytes().data(), tensor.bytes().size());
  return values;
}

inline const std::string kStorage = test::storage("IntStorage", "0", 4);

inline std::string names_of(const TensorFile& file) {
  std::string names;
  for (const auto& [name, tensor] : file.tensors) names += name + " ";
  return names;
}

}  // namespace resnet
