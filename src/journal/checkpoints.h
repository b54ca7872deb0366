// Checkpoints of a run: a folder with the last few of them.
//
// A checkpoint is a .safetensors file whose metadata holds the values beside the tensors and a checksum of everything.
// It is written under a temporary name, flushed and renamed, and only then are older ones removed: whenever the process
// or the machine stops, the newest whole one is there.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "resnet/tensor.h"

namespace resnet {

struct Checkpoint {
  StateDict tensors;
  std::map<std::string, std::string> values;
};

class CheckpointFolder {
 public:
  // Nothing is touched yet. `keep` is at least 1.
  CheckpointFolder(std::string directory, std::int64_t keep) : directory_(std::move(directory)), keep_(keep) {}

  // Writes the checkpoint of a step and gives its path. Makes the folder. Throws kIo, and then the ones before are as
  // they were.
  std::string save(const Checkpoint& checkpoint, std::int64_t step) const;

  struct Found {
    Checkpoint checkpoint;
    std::string path;
    std::vector<std::string> damaged;  // newer ones that could not be read: why, with their paths
  };

  // The newest that is whole; nothing where the folder holds none. Throws kFormat, naming each, where all are damaged.
  std::optional<Found> newest() const;

  // Removes what processes that were killed while they wrote left behind.
  void remove_unfinished() const;

 private:
  std::vector<std::string> paths() const;  // newest first

  std::string directory_;
  std::int64_t keep_;
};

}  // namespace resnet
