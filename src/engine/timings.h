// How long algorithms took here, kept in a file of the user's cache directory, so that nothing is measured twice.
//
// The file is text: a first line that names its version, then a line for each measurement: key, algorithm and
// milliseconds, parted by tabs. A file of another version or with a line that is not so counts as empty and is
// replaced.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "kernels/kernels.h"

namespace resnet {

class Timings {
 public:
  // What a measurement holds for: processor, instruction set, threads and the convolution.
  static std::string key(const Kernels& kernels, int threads, const ConvShape& shape);

  std::optional<double> find(const std::string& key, const std::string& algorithm) const;
  void set(const std::string& key, const std::string& algorithm, double milliseconds);

  // Takes over what others hold; theirs win.
  void add(const Timings& others);

  // Empty where the file is not there or is not such a file. Throws kIo, and kInvalidArgument for a directory.
  static Timings load(const std::string& path);

  // Puts these beside what others have written to the file meanwhile, and makes its directory. The file is replaced
  // atomically. Throws kIo.
  void save(const std::string& path) const;

 private:
  std::map<std::pair<std::string, std::string>, double> values_;  // by key and algorithm
};

// timings.tsv of cache_directory().
std::string timings_path();

}  // namespace resnet
