// A file of embeddings that pictures are looked up in: a .npy array with a row per picture, which numpy.load() reads,
// and behind it a second array, whose bytes are JSON that says what the rows are.
//
//   {"resnet_index": 1, "model": "m.safetensors", "model_sha256": "...", "architecture": "resnet50",
//    "precision": "fp32", "layer": "avgpool", "apply_orientation": true, "preprocessing": {...}, "paths": ["a.jpg",
//    ...]}
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/checked_file.h"
#include "resnet/architecture.h"
#include "resnet/precision.h"
#include "resnet/preprocessing.h"

namespace resnet {

// What the rows of an index are.
struct IndexNotes {
  std::string model;                        // path of the model file, as it was given
  std::string model_sha256;                 // of the file's bytes
  std::optional<std::string> architecture;  // where the user said it
  Precision precision = Precision::kFp32;   // that it ran in
  std::string layer;
  bool apply_orientation = true;  // pictures were turned as their EXIF data says
  Preprocessing preprocessing;
  std::vector<std::string> paths;  // one per row
  std::string take = {};           // which network of the file, and which head, where the user said it (LoadOptions)
  std::string head = {};
  std::optional<Architecture> network = std::nullopt;  // where the user said more of it than its name
};

// The bytes of the second array.
std::vector<std::uint8_t> to_json(const IndexNotes& notes);

struct Match {
  std::size_t row = 0;
  float cosine = 0;  // of the angle between the embeddings, -1 to 1; 0 where one is all zeros
};

// Immutable: may be used from several threads.
class EmbeddingIndex {
 public:
  // Rows are read when they are looked through. Throws kNotFound, kIo, and kFormat for a file that is no index.
  static EmbeddingIndex open(const std::string& path);

  const IndexNotes& notes() const noexcept { return notes_; }
  int size() const noexcept { return size_; }  // values of one embedding

  // The `count` rows of the smallest angles (all where there are fewer), the smallest first; equal ones in their order.
  // Throws kMismatch where the embedding has another size, kIo where another program has written to the file.
  std::vector<Match> nearest(std::span<const float> embedding, std::size_t count) const;

 private:
  EmbeddingIndex() = default;

  std::shared_ptr<const CheckedFile> file_;
  std::span<const std::byte> rows_;
  int size_ = 0;
  IndexNotes notes_;
};

}  // namespace resnet
