// Labelled pictures by number, for training: any of them can be read at any time, from any thread.
//
// What it reads is what Dataset reads (class folders, archives, shards, CIFAR's files), in its order. Files and
// archives that can be read anywhere are read where they lie, and an archive that another program has written to is
// refused; a compressed tar archive, which can only be read from front to back, is held in memory as it is, inflated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dataset/container.h"
#include "dataset/dataset.h"

namespace resnet {

struct ImageSetOptions {
  DatasetOptions dataset = {};
  std::vector<std::string> classes = {};          // the only ones there may be, by index; empty: those that there are
  std::size_t max_memory = std::size_t{4} << 30;  // for what a compressed archive inflates to
};

// A list of places and labels; copies share it. Functions may be called from any thread.
class ImageSet {
 public:
  ImageSet();  // of nothing

  // Classes are the labels in the order of their bytes, or in that of their numbers where all are numbers. Throws what
  // Dataset throws; kInvalidArgument where there is no picture, or a class's name is not UTF-8 or holds control
  // characters; kMismatch for a label that `classes` does not have; kLimit above `max_memory`.
  static ImageSet open(const std::string& path, const ImageSetOptions& options = {});

  std::size_t size() const noexcept { return numbers_.size(); }
  const std::vector<std::string>& classes() const noexcept;
  std::int64_t label(std::size_t image) const;  // index into classes()
  std::string path(std::size_t image) const;    // for people

  // The picture's path inside the set, the same whether that is a directory or an archive of whatever kind.
  std::string inner_path(std::size_t image) const;

  // "train", "val": the folders of a set that consists of such, and the one that the picture lies in; "" where the set
  // has none.
  const std::vector<std::string>& parts() const noexcept;
  std::string part(std::size_t image) const;

  // Throws kNotFound, kIo, kFormat, kLimit.
  FileBytes read(std::size_t image) const;

  // Some of the pictures, in the order given, all of the classes.
  ImageSet subset(std::span<const std::uint32_t> images) const;

 private:
  struct Contents;
  std::shared_ptr<const Contents> contents_;
  std::vector<std::uint32_t> numbers_;  // of the pictures in contents_
};

struct TrainingData {
  ImageSet train;
  ImageSet val;  // may be empty: nothing to validate with
};

// The data of `--data PATH --val PATH|FRACTION`.
//
// `val` is a path of its own (whose classes must be among those of the training pictures), or a fraction above 0 and
// below 1 that split() takes from the training pictures, or empty. Where `path` consists of a folder `train` and one or
// more of `val`, `valid`, `validation` and `test` (class_folders.h; CIFAR's files are such a set), `train` alone is
// trained on and, with an empty `val`, the first of the others validates. A folder of either can be named as
// PATH:FOLDER. Throws what ImageSet::open() and split() throw; kInvalidArgument where a class has no picture to train
// on, and where `val` names a set that has such parts itself.
TrainingData open_training_data(const std::string& path, const std::string& val, std::uint64_t seed,
                                const ImageSetOptions& options = {});

// Takes round(fraction * count) pictures of each class at random, at least one of a class that has two and never all,
// for the second set; both keep the order. The same seed gives the same split. Throws kInvalidArgument for a fraction
// outside (0, 1) and where either set would be empty.
std::pair<ImageSet, ImageSet> split(const ImageSet& images, double fraction, std::uint64_t seed);

}  // namespace resnet
