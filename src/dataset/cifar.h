// CIFAR-10 and CIFAR-100 in their binary form (https://www.cs.toronto.edu/~kriz/cifar.html): files of records, each a
// label (of CIFAR-100 a coarse and a fine one; the fine one counts) and 32x32 pixels, the planes red, green, blue.
// Pictures come out as uint8 arrays of shape 32x32x3 in .npy form.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dataset/dataset.h"

namespace resnet {

class Cifar {
 public:
  // Is this a directory with such files, or one of them? They are known by their names: data_batch_*.bin,
  // test_batch.bin, train.bin, test.bin.
  static bool is_at(const std::string& path);

  // `only` is "train" or "test", or empty for both. Throws kNotFound where there is nothing of what is wanted; kFormat
  // for a file that is no whole number of records.
  Cifar(const std::string& path, const std::string& only);

  std::size_t count() const noexcept { return count_; }

  // From batches.meta.txt or fine_label_names.txt beside the files; without that, "0", "1", ... stand for them.
  const std::vector<std::string>& classes() const noexcept { return classes_; }
  bool named() const noexcept { return named_; }

  // Throws kFormat for a label that is out of range.
  std::unique_ptr<Source> items() const;

 private:
  std::vector<std::string> files_;
  std::vector<std::string> classes_;
  bool fine_ = false;  // CIFAR-100
  bool named_ = false;
  std::size_t count_ = 0;
};

}  // namespace resnet
