#include "dataset/archive_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "dataset/decompressors.h"

namespace resnet {
namespace {

bool same_time(const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

}  // namespace

ArchiveFile::ArchiveFile(std::string path)
    : path_(std::move(path)), descriptor_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (descriptor_ < 0) {
    const bool absent = errno == ENOENT || errno == ENOTDIR;
    fail(absent ? ErrorCode::kNotFound : ErrorCode::kIo, path_, "cannot open: {}", std::strerror(errno));
  }
  const bool known = ::fstat(descriptor_, &status_) == 0;
  if (known && !S_ISDIR(status_.st_mode)) return;
  const int reason = errno;
  ::close(descriptor_);
  if (!known) fail(ErrorCode::kIo, path_, "cannot read: {}", std::strerror(reason));
  fail(ErrorCode::kInvalidArgument, path_, "is a directory, not a file");
}

ArchiveFile::~ArchiveFile() { ::close(descriptor_); }

std::size_t ArchiveFile::read_at(std::uint64_t offset, std::span<std::byte> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(descriptor_, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(ErrorCode::kIo, path_, "cannot read: {}", std::strerror(errno));
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  struct stat now {};
  if (::fstat(descriptor_, &now) != 0 || now.st_size != status_.st_size || !same_time(now.st_mtim, status_.st_mtim)) {
    fail(ErrorCode::kIo, path_, "has been written to while it was read");
  }
  return done;
}

std::size_t ArchiveFile::read_next(std::span<std::byte> out) const {
  for (;;) {
    const ssize_t got = ::read(descriptor_, out.data(), out.size());
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno != EINTR) fail(ErrorCode::kIo, path_, "cannot read: {}", std::strerror(errno));
  }
}

ByteStream stream_of(std::shared_ptr<const ArchiveFile> file) {
  const std::string where = file->path();
  if (!file->is_regular()) {
    return {[file](std::span<std::byte> out) { return file->read_next(out); }, where, {}, any_decompressor};
  }
  const auto position = std::make_shared<std::uint64_t>(0);
  const auto refill = [file, position](std::span<std::byte> out) {
    const std::size_t got = file->read_at(*position, out);
    *position += got;
    return got;
  };
  const auto leap = [file, position](std::uint64_t count) {
    const std::uint64_t bytes = std::min(count, file->size() - std::min(*position, file->size()));
    *position += bytes;
    return bytes;
  };
  return {refill, where, leap, any_decompressor};
}

}  // namespace resnet
