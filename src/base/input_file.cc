#include "base/input_file.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace resnet {

Descriptor::~Descriptor() {
  if (value_ >= 0) ::close(value_);
}

Descriptor open_descriptor(const std::string& path, int flags, mode_t mode) noexcept {
  Descriptor file(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!file || file.get() > STDERR_FILENO) return file;
  return Descriptor(::fcntl(file.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
}

void fail_errno(const std::string& path, const char* action) {
  const int error = errno;
  const ErrorCode code = error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo;
  fail(code, path.empty() ? "''" : path, "{}: {}", action, std::strerror(error));
}

InputFile::InputFile(std::string path) : path_(std::move(path)), descriptor_(open_descriptor(path_, O_RDONLY)) {
  if (!descriptor_) fail_errno(path_, "cannot open");
  if (::fstat(descriptor_.get(), &status_) != 0) fail_errno(path_, "cannot stat");
  if (S_ISDIR(status_.st_mode)) fail(ErrorCode::kInvalidArgument, path_, "is a directory, not a file");
  if (S_ISCHR(status_.st_mode)) fail(ErrorCode::kInvalidArgument, path_, "is a device, not a file");  // some never end
}

void InputFile::read_at(std::size_t offset, std::span<std::byte> out) const {
  struct iovec part = {out.data(), out.size()};
  read_unchecked(offset, {&part, 1});
  if (!is_unchanged(status())) fail_changed();
}

void InputFile::read_unchecked(std::size_t offset, std::span<struct iovec> parts) const {
  while (!parts.empty()) {
    const ssize_t got =
        ::preadv(descriptor_.get(), parts.data(), static_cast<int>(parts.size()), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_errno(path_, "cannot read");
    offset += static_cast<std::size_t>(got);
    auto left = static_cast<std::size_t>(got);
    bool ended = got == 0;
    for (; !parts.empty() && left >= parts[0].iov_len; parts = parts.subspan(1)) {
      left -= parts[0].iov_len;
      ended = ended && parts[0].iov_len == 0;
    }
    if (ended && !parts.empty()) fail_changed();
    if (left == 0) continue;
    parts[0].iov_base = static_cast<std::byte*>(parts[0].iov_base) + left;
    parts[0].iov_len -= left;
  }
}

struct stat InputFile::status() const {
  struct stat now {};
  if (::fstat(descriptor_.get(), &now) != 0) fail_errno(path_, "cannot stat");
  return now;
}

bool InputFile::is_unchanged(const struct stat& now) const noexcept {
  return now.st_size == status_.st_size && now.st_mtim.tv_sec == status_.st_mtim.tv_sec &&
         now.st_mtim.tv_nsec == status_.st_mtim.tv_nsec;
}

void InputFile::fail_changed() const {
  fail(ErrorCode::kIo, path_, "another program has written to it since it was opened: open it again");
}

}  // namespace resnet
