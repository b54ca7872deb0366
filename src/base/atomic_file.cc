// Writing files whole: class AtomicFile.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/notice.h"

namespace resnet {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLost = "cannot write it in place, and what it held is lost";
constexpr const char* kAccessList = "system.posix_acl_access";

std::string folder_of(const std::string& path) {
  const std::string folder = fs::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

// The descriptor of this process that a path such as /dev/stdout leads to, whatever that is open on.
std::optional<int> own_descriptor(const std::string& path) {
  constexpr int kMostLinks = 40;  // as the kernel
  std::error_code error;
  const fs::path own = fs::canonical("/proc/self/fd", error);
  fs::path place = path;
  for (int links = 0; !error && links < kMostLinks; ++links) {
    const fs::path folder = fs::canonical(folder_of(place.string()), error);
    if (!error && folder == own) {
      const std::string name = place.filename().string();
      int number = -1;
      const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), number);
      return failure == std::errc() && end == name.data() + name.size() ? std::optional(number) : std::nullopt;
    }
    if (!error) place = folder / fs::read_symlink(place, error);  // an absolute target takes the place of the folder
  }
  return std::nullopt;
}

// True where the file is a mount of its own, which nothing can be renamed to.
bool is_mount(const std::string& path) {
  struct statx facts {};
  if (::statx(AT_FDCWD, path.c_str(), 0, 0, &facts) != 0) return false;
  return (facts.stx_attributes_mask & facts.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

// An attribute that says something of the bytes, not of who may read them.
bool is_of_content(std::string_view attribute) {
  return attribute == "security.ima" || attribute == "security.evm" || attribute == "security.capability";
}

// Copies all that may be copied. False where the access control list would be lost.
bool copy_attributes(const std::string& from, int to) {
  std::string names(65536, '\0');  // as long as the kernel's lists are at most
  const ssize_t size = ::listxattr(from.c_str(), names.data(), names.size());
  names.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  bool has_list = false;
  for (std::size_t at = 0; at < names.size(); at = names.find('\0', at) + 1) {
    const char* name = names.c_str() + at;
    if (is_of_content(name)) continue;
    std::string value(65536, '\0');
    const ssize_t bytes = ::getxattr(from.c_str(), name, value.data(), value.size());
    const bool copied = bytes >= 0 && ::fsetxattr(to, name, value.data(), static_cast<std::size_t>(bytes), 0) == 0;
    if (std::strcmp(name, kAccessList) != 0) continue;
    if (!copied) return false;
    has_list = true;
  }
  if (!has_list) ::fremovexattr(to, kAccessList);  // that the folder gives its new files
  return true;
}

// False, with errno, where not all could be written.
bool put_at(int file, std::int64_t offset, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(file, bytes.data(), std::min<std::size_t>(bytes.size(), 1U << 30), offset);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    bytes = bytes.subspan(static_cast<std::size_t>(put));
    offset += put;
  }
  return true;
}

// A file without a name for bytes on their way.
Descriptor open_unnamed() {
  std::error_code error;
  const std::string folder = fs::temp_directory_path(error).string();
  Descriptor file = open_descriptor(folder, O_RDWR | O_TMPFILE, 0600);
  if (file || (errno != EOPNOTSUPP && errno != EISDIR)) return file;
  const std::string name = temporary_name_beside(folder + "/resnet");
  file = open_descriptor(name, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (file) ::unlink(name.c_str());
  return file;
}

}  // namespace

void AtomicFile::fail_to(const char* action) const {
  fail(ErrorCode::kIo, path_, "{}: {}", action, std::strerror(errno));
}

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  std::error_code ignored;
  if (const std::optional<int> own = own_descriptor(path_)) {
    open_again(*own);
    return;
  }
  const fs::file_status status = fs::status(path_, ignored);
  if (fs::is_directory(status)) fail(ErrorCode::kIo, path_, "is a directory, not a file");
  if (fs::exists(status) && !fs::is_regular_file(status)) {
    replaces_ = false;
    descriptor_ = open_descriptor(path_, O_WRONLY);
    if (!descriptor_) fail_to("cannot write");
    return;
  }
  if (fs::is_symlink(fs::symlink_status(path_, ignored))) {
    // Renaming would replace the link itself.
    if (!fs::exists(status)) fail(ErrorCode::kIo, path_, "is a link that leads nowhere");
    path_ = fs::canonical(path_, ignored).string();
  }
  struct stat old {};
  const bool exists = ::stat(path_.c_str(), &old) == 0;
  if (!exists && errno != ENOENT) fail_to("cannot write");
  if (exists && (old.st_mode & 0222U) == 0) fail(ErrorCode::kIo, path_, "is write-protected: it is not replaced");
  if (exists && ::faccessat(AT_FDCWD, path_.c_str(), W_OK, AT_EACCESS) != 0) fail_to("cannot write");
  if (exists && is_mount(path_)) {
    open_in_place(EBUSY);
    return;
  }
  open_beside(exists);
  if (!exists || in_place_ || take_attributes(old)) return;
  const int reason = errno;
  ::unlink(temporary_.c_str());
  temporary_.clear();
  open_in_place(reason);
}

// What this process has open already. A rename would leave its other holders writing to what was there.
void AtomicFile::open_again(int descriptor) {
  replaces_ = false;
  const int mode = ::fcntl(descriptor, F_GETFL);
  const bool only_reads = mode >= 0 && (mode & O_ACCMODE) == O_RDONLY;
  if (!only_reads) descriptor_ = Descriptor(::fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  if (only_reads) errno = EBADF;
  if (!descriptor_) fail_to("cannot write");
}

AtomicFile::~AtomicFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

// Opens the temporary file. Where its folder takes none, but the file is there, that is opened.
void AtomicFile::open_beside(bool exists) {
  do {  // a file of that name was left by a process that was killed
    temporary_ = temporary_name_beside(path_);
    name_.emplace(temporary_);
    descriptor_ = open_descriptor(temporary_, O_RDWR | O_CREAT | O_EXCL, exists ? 0600 : 0666);
  } while (!descriptor_ && errno == EEXIST);
  if (descriptor_) return;
  const int reason = errno;
  temporary_.clear();
  name_.reset();
  errno = reason;
  if (!exists || (reason != EACCES && reason != EPERM && reason != EROFS)) fail_to("cannot write");
  open_in_place(reason);
}

void AtomicFile::open_in_place(int reason) {
  reason_ = reason;
  name_.reset();
  in_place_ = open_descriptor(path_, O_WRONLY);
  if (!*in_place_) fail_to("cannot write");
  descriptor_ = open_unnamed();
  if (!descriptor_) fail_to("cannot make a temporary file for it");
}

// Gives the temporary file what the old one has. False, with errno, where it cannot have the owner or the access list.
bool AtomicFile::take_attributes(const struct stat& old) const {
  struct stat own {};
  if (::fstat(descriptor_.get(), &own) != 0) return false;
  const bool same = own.st_uid == old.st_uid && own.st_gid == old.st_gid;
  if (!same && ::fchown(descriptor_.get(), old.st_uid, old.st_gid) != 0) return false;
  return ::fchmod(descriptor_.get(), old.st_mode & 07777U) == 0 && copy_attributes(path_, descriptor_.get());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(descriptor_.get(), bytes.data(), std::min<std::size_t>(bytes.size(), 1U << 30));
    if (put < 0) {
      if (errno == EINTR) continue;
      fail_to("cannot write");
    }
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
}

void AtomicFile::write_at(std::int64_t offset, std::string_view text) {
  if (!put_at(descriptor_.get(), offset, std::as_bytes(std::span(text.data(), text.size())))) fail_to("cannot write");
}

void AtomicFile::commit() {
  if (in_place_) return write_in_place();
  if (replaces_ && ::fsync(descriptor_.get()) != 0) fail_to("cannot flush");
  if (::close(descriptor_.release()) != 0) fail_to("cannot close");
  if (!replaces_) return;
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) return replace_without_rename();
  temporary_.clear();
  name_.reset();
  const Descriptor folder = open_descriptor(folder_of(path_), O_RDONLY | O_DIRECTORY);
  if (folder) ::fsync(folder.get());
}

// The rename failed, with errno. The temporary file stays for the destructor.
void AtomicFile::replace_without_rename() {
  reason_ = errno;
  if (reason_ == EBUSY || reason_ == EXDEV || reason_ == EPERM || reason_ == EACCES) {
    descriptor_ = open_descriptor(temporary_, O_RDONLY);
    in_place_ = open_descriptor(path_, O_WRONLY);  // where there is such a file
    if (descriptor_ && *in_place_) return write_in_place();
  }
  errno = reason_;
  fail_to("cannot rename into place");
}

void AtomicFile::write_in_place() {
  struct stat made {};
  if (::fstat(descriptor_.get(), &made) != 0) fail_to("cannot stat what is to be written");
  const int file = in_place_->get();
  const UninterruptedWrite guard;
  const bool has_room = made.st_size == 0 || ::fallocate(file, FALLOC_FL_KEEP_SIZE, 0, made.st_size) == 0;
  if (!has_room && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) fail_to("cannot write");
  std::vector<std::byte> bytes(std::size_t{1} << 20);
  for (off_t at = 0; at < made.st_size;) {
    const ssize_t got = ::pread(descriptor_.get(), bytes.data(), bytes.size(), at);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0 || !put_at(file, at, std::span(bytes).first(static_cast<std::size_t>(got)))) fail_to(kLost);
    at += got;
  }
  if (::ftruncate(file, made.st_size) != 0 || ::fsync(file) != 0 || ::close(in_place_->release()) != 0) fail_to(kLost);
  notice(fmt::format("{}: was written over in place, as it cannot be replaced: {}", path_, std::strerror(reason_)));
}

}  // namespace resnet
