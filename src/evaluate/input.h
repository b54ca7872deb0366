// Pictures of a source, decoded and preprocessed for a model on all processors while the network runs.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dataset/parallel_reader.h"
#include "resnet/classifier.h"

namespace resnet {

// The encoded bytes of an item, which must outlive it: its own, or its file's, read meanwhile.
class ItemBytes {
 public:
  explicit ItemBytes(const Item& item);
  std::span<const std::byte> get() const noexcept { return bytes_; }

 private:
  std::vector<std::byte> file_;
  std::span<const std::byte> bytes_;
};

// What the network takes: one picture or, from arrays, any batch.
struct Input {
  FeatureShape shape;
  std::vector<float> values;  // NCHW
  PictureNotes notes = {};
};

// Decodes and preprocesses a picture; takes a float32 .npy array of shape NxCxHxW or CxHxW as it is. Throws
// resnet::Error whose place is the item's path; kMismatch for an array of other channels than the network's. May be
// called from several threads.
Input read_input(const Item& item, const Classifier& classifier, const DecodeOptions& decode);

// Pictures of one size that run through the network together.
class InputBatch {
 public:
  // `run` is called with each batch of about `size` pictures, and at another size's beginning.
  InputBatch(int size, std::function<void(const InputBatch&)> run) : size_(size), run_(std::move(run)) {}

  void add(const std::string& path, const Input& input);

  // What is left. The batch is empty behind it.
  void run();

  const FeatureShape& shape() const noexcept { return shape_; }
  std::span<const float> values() const noexcept { return values_; }

  // One per picture: those of an array get its path and [0], [1], ...
  const std::vector<std::string>& paths() const noexcept { return paths_; }

 private:
  int size_;
  std::function<void(const InputBatch&)> run_;
  FeatureShape shape_;
  std::vector<float> values_;
  std::vector<std::string> paths_;
};

// All items of a source in order, read ahead by about two batches.
class InputReader : public ParallelReader<Input> {
 public:
  InputReader(const Classifier& classifier, Source& source, const DecodeOptions& decode, int batch);
};

// Pictures of one size, one behind the other.
struct PictureStack {
  FeatureShape shape;
  std::vector<float> values;  // NCHW
};

// What is done while a set is read, from the calling thread.
struct ReadingCalls {
  std::function<void(std::int64_t done, std::int64_t of)> progress;
  std::function<void(const std::string& path, const PictureNotes& notes)> noted;
};

// At most `limit` pictures of a set (all: -1), spread evenly over its classes, as `classifier` takes them; in the order
// of their paths within the set, so that every form of one set gives the same. Throws the error of the first picture
// that cannot be read, and kMismatch for an array of another size.
PictureStack read_stack(const Dataset& set, const Classifier& classifier, std::int64_t limit,
                        const DecodeOptions& decode, const ReadingCalls& calls);

}  // namespace resnet
