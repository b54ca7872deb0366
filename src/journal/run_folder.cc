#include "journal/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "journal/checkpoints.h"
#include "journal/history.h"

namespace resnet {
namespace {

void write_whole(const std::string& path, const std::string& text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace

RunFolder::RunFolder(std::string path, bool resume) : path_(std::move(path)) {
  if (path_.empty()) fail(ErrorCode::kInvalidArgument, "out", "names no folder");
  std::error_code error;
  std::filesystem::create_directories(path_, error);
  if (error) fail(ErrorCode::kIo, path_, "cannot make the folder: {}", error.message());
  if (!resume && holds_run()) {
    fail(ErrorCode::kInvalidArgument, path_,
         "holds a run already: --resume goes on with it, another --out begins anew");
  }
  const std::string lock = path_ + "/lock";
  lock_ = open_descriptor(lock, O_RDWR | O_CREAT).release();
  if (lock_ < 0) fail(ErrorCode::kIo, path_, "cannot write: {}", std::strerror(errno));
  if (::flock(lock_, LOCK_EX | LOCK_NB) != 0) {
    const int reason = errno;
    ::close(lock_);
    fail(ErrorCode::kIo, path_, "{}", reason == EWOULDBLOCK ? "another process trains here" : std::strerror(reason));
  }
}

RunFolder::~RunFolder() { ::close(lock_); }

bool RunFolder::holds_run() const {
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(checkpoints(), error)) {
    if (entry.path().extension() == ".safetensors") return true;
  }
  return false;
}

void RunFolder::write_recipe(const Recipe& text) const { write_whole(recipe(), to_toml(text)); }

void RunFolder::write_report(const RunSummary& run) const {
  write_whole(path_ + "/metrics.csv", to_csv(run.history));
  write_whole(path_ + "/report.html", to_html(run));
}

}  // namespace resnet
