// CIFAR-10 and CIFAR-100 as they are handed out (https://www.cs.toronto.edu/~kriz/cifar.html): files of many pictures,
// 32x32 pixels each, the planes red, green, blue. In the binary version a picture is a record with its label (of
// CIFAR-100 a coarse and a fine one; the fine one counts), in the version for Python a file is a pickled dictionary
// (cifar_pickle.h). Pictures come out as uint8 arrays of shape 32x32x3 in .npy form.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataset/container.h"

namespace resnet {

// What a file of CIFAR is, by its name.
struct CifarName {
  bool fine = false;   // of CIFAR-100
  bool test = false;   // of the test pictures
  bool names = false;  // holds the classes' names, no pictures
  bool python = false;

  int classes() const noexcept { return fine ? 100 : 10; }
};

// Of data_batch_*.bin, test_batch.bin, batches.meta.txt; train.bin, test.bin, fine_label_names.txt; data_batch_1 and so
// on, test_batch, batches.meta; train, test, meta. Nothing for others. The last three are names that anything may have.
std::optional<CifarName> cifar_name(std::string_view file_name);

// The names of the classes in a file of names, by index. `where` names it in errors. Throws kFormat where there are not
// as many as classes.
std::vector<std::string> read_cifar_names(std::span<const std::byte> bytes, const CifarName& name,
                                          const std::string& where);

// Immutable.
class CifarFile {
 public:
  // Throws kFormat, naming the place, for what is no whole number of pictures and for a label that is out of range.
  CifarFile(FileBytes file, const CifarName& name, const std::string& where);

  std::size_t count() const noexcept { return labels_.size(); }
  int label(std::size_t picture) const noexcept { return labels_[picture]; }
  std::vector<std::byte> picture(std::size_t picture) const;

 private:
  void read_records(FileBytes file, bool fine, const std::string& where);

  FileBytes pixels_;        // from the first picture's pixels on
  std::size_t stride_ = 0;  // from one picture's pixels to the next one's
  std::vector<int> labels_;
};

}  // namespace resnet
