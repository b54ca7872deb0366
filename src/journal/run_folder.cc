#include "journal/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "journal/checkpoints.h"
#include "journal/history.h"
#include "journal/plan_words.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;

void write_whole(const std::string& path, const std::string& text) {
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

// What a file of the run would replace.
void check_replaceable(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) fail(ErrorCode::kIo, path, "is a directory, where the run writes a file");
}

std::int64_t bytes_of(const std::string& path) {
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  return error ? 0 : static_cast<std::int64_t>(bytes);
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

void RunFolder::check_room(std::int64_t checkpoint_bytes, std::int64_t checkpoints, std::int64_t model_bytes) const {
  for (const std::string& path : {best(), recipe(), pictures()}) check_replaceable(path);
  std::error_code error;
  if (fs::exists(this->checkpoints(), error) && !fs::is_directory(this->checkpoints(), error)) {
    fail(ErrorCode::kIo, this->checkpoints(), "is no folder, and checkpoints cannot be written there");
  }
  if (fs::exists(this->checkpoints(), error) && ::access(this->checkpoints().c_str(), W_OK | X_OK) != 0) {
    fail(ErrorCode::kIo, this->checkpoints(), "cannot write there: {}", std::strerror(errno));
  }
  const std::optional<std::int64_t> free = free_bytes(path_);
  if (!free) return;
  std::int64_t held = bytes_of(best());
  for (const auto& entry : fs::directory_iterator(this->checkpoints(), error)) held += bytes_of(entry.path().string());
  const std::int64_t needed = checkpoint_bytes * (checkpoints + 1) + 2 * model_bytes;
  check_free(path_, needed - held, *free, checkpoints);
}

std::optional<std::int64_t> free_bytes(const std::string& folder) {
  struct statvfs disk = {};
  if (::statvfs(folder.c_str(), &disk) != 0 || disk.f_blocks == 0) return std::nullopt;
  const auto block = static_cast<double>(disk.f_frsize);
  return static_cast<std::int64_t>(std::min(static_cast<double>(disk.f_bavail) * block, 9e18));
}

void check_free(const std::string& folder, std::int64_t needed, std::int64_t free, std::int64_t checkpoints) {
  if (needed <= free) return;
  fail(ErrorCode::kIo, folder, "the run needs {} there, and the disk has {} left: free some, {}or name another --out",
       bytes_words(needed), bytes_words(free), checkpoints > 1 ? "keep fewer checkpoints with --keep 1, " : "");
}

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
