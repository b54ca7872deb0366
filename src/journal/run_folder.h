// The folder of a run: what lies where in it, and the lock that keeps a second process out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "journal/run_report.h"
#include "resnet/recipe.h"

namespace resnet {

class RunFolder {
 public:
  // Makes the folder and locks it until the object or the process ends. Throws kInvalidArgument where it holds a run
  // and `resume` is false, kIo where it cannot be written or another process trains in it.
  RunFolder(std::string path, bool resume);
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;
  ~RunFolder();

  const std::string& path() const noexcept { return path_; }
  std::string recipe() const { return path_ + "/recipe.toml"; }
  std::string best() const { return path_ + "/best.safetensors"; }
  std::string pictures() const { return path_ + "/pictures.txt"; }
  std::string checkpoints() const { return path_ + "/checkpoints"; }

  // Throws kIo, with the way out, where not all could be written that a run leaves: checkpoints of such a size, of
  // which `checkpoints` lie there at a time, and the best model, each beside the one it replaces. What lies there
  // already is replaced.
  void check_room(std::int64_t checkpoint_bytes, std::int64_t checkpoints, std::int64_t model_bytes) const;

  // There is a checkpoint: what ended before the first one has left nothing to go on with.
  bool holds_run() const;
  void write_recipe(const Recipe& recipe) const;

  // metrics.csv and report.html.
  void write_report(const RunSummary& run) const;

 private:
  std::string path_;
  int lock_ = -1;
};

// Bytes that may still be written to the disk that a folder is on; nothing where the system does not say.
std::optional<std::int64_t> free_bytes(const std::string& folder);

// What check_room() throws where fewer than `needed` bytes are free.
void check_free(const std::string& folder, std::int64_t needed, std::int64_t free, std::int64_t checkpoints);

}  // namespace resnet
