// Batches for training and validation: float32 tensors and labels, read, decoded and augmented by threads that work
// ahead of the one who takes them.
//
// What a batch holds depends on the seed, the epoch and the batch's number, and on nothing else: not on the number of
// threads, not on who is faster, not on where the run began. An epoch's order is a permutation drawn from (seed,
// epoch), or the set's own; a picture's crop, flip and colours are drawn from (seed, epoch, the picture's number).
//
// With several processes, batch b of process r of w holds pictures [(b w + r) n, (b w + r + 1) n) of the epoch's order:
// together they are the one batch of w n that a single process would have, and no picture is given twice. What is left
// at the end of the order is dropped, or shared out as evenly as it goes (some processes may then have a batch less).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "augment/augmentation.h"
#include "dataset/image_set.h"
#include "resnet/preprocessing.h"

namespace resnet {

enum class BadImages { kFail, kSkip };

struct LoaderOptions {
  Preprocessing preprocessing;               // the tensor's size, mean and std; without a random crop all of it
  std::optional<Augmentation> augmentation;  // absent: pictures are prepared as for evaluation
  std::size_t batch = 128;                   // of this process
  bool shuffle = true;
  bool drop_last = true;  // what does not fill a batch of every process
  std::uint64_t seed = 0;
  int rank = 0;
  int world_size = 1;
  int threads = 0;           // 0: as many as there are processors
  std::size_t prefetch = 4;  // batches under way at most, the one last taken not counted
  BadImages bad_images = BadImages::kFail;
  bool channels_last = false;                         // NHWC instead of NCHW
  std::int64_t max_pixels = kMaxPixels;               // larger pictures are bad ones
  std::size_t decoded_memory = std::size_t{1} << 30;  // pictures stay decoded where all of them take no more than this
};

struct BadImage {
  std::size_t image = 0;  // its number in the set
  std::string error;      // one line that names the file
};

struct NotedImage {
  std::size_t image = 0;  // its number in the set
  PictureNotes notes;
};

struct Batch {
  std::uint64_t epoch = 0;
  std::size_t number = 0;  // in its epoch, from 0; a run that goes on behind this batch starts at number + 1
  std::size_t size = 0;    // pictures; fewer than asked at the end of an epoch and where bad ones were skipped, even 0
  int channels = 0;
  int height = 0;
  int width = 0;
  // size x channels x height x width, or size x height x width x channels; 64-byte aligned. The memory goes back to the
  // loader for another batch when the last copy of the pointer is gone, which may be after the loader's end.
  std::shared_ptr<float> pixels;
  std::vector<std::int64_t> labels;
  std::vector<std::size_t> images;  // their numbers in the set

  // After mixup or cutmix each picture is of two classes: loss = weight * loss(labels) + (1 - weight) *
  // loss(other_labels). Else other_labels is empty.
  std::vector<std::int64_t> other_labels;
  float weight = 1;

  std::vector<BadImage> bad;      // with BadImages::kSkip: pictures that are missing here
  std::vector<NotedImage> noted;  // those of which the decoder had something to say; none that was kept decoded
};

// For one thread at a time.
class Loader {
 public:
  // Starts at epoch 0. Throws kInvalidArgument for options that make no sense, an empty set, and where batches are
  // larger than the set and what is left is dropped; what preprocess() throws of `preprocessing`.
  Loader(ImageSet images, LoaderOptions options);
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;
  ~Loader();

  // Batches of an epoch, the same for every epoch.
  std::size_t batches() const noexcept;

  // The next batch will be this one: of a new epoch, or of a run that goes on. Throws kInvalidArgument behind the end
  // of an epoch (`batch` may be batches(): the epoch is over). Costs nothing at the end of the epoch before, as work on
  // the next one has begun by then.
  void start(std::uint64_t epoch, std::size_t batch = 0);

  // Nothing at the end of the epoch. With BadImages::kFail throws what reading or decoding a picture threw (kNotFound,
  // kIo, kFormat, kLimit, kUnsupported), the file named; then only start() goes on.
  std::optional<Batch> next();

  // Pictures that were skipped in the batches taken so far.
  std::uint64_t skipped() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace resnet
