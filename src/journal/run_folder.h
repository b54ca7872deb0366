// The folder of a run: what lies where in it, and the lock that keeps a second process out.
#pragma once

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

  // There is a checkpoint: what ended before the first one has left nothing to go on with.
  bool holds_run() const;
  void write_recipe(const Recipe& recipe) const;

  // metrics.csv and report.html.
  void write_report(const RunSummary& run) const;

 private:
  std::string path_;
  int lock_ = -1;
};

}  // namespace resnet
