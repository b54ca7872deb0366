#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/error.h"

namespace resnet {
namespace {

// Closes a descriptor when the scope ends.
class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  int get() const { return value_; }

 private:
  int value_;
};

[[noreturn]] void fail_errno(const std::string& path, const char* action) {
  const int error = errno;
  const ErrorCode code = error == ENOENT || error == ENOTDIR ? ErrorCode::kNotFound : ErrorCode::kIo;
  fail(code, path, "{}: {}", action, std::strerror(error));
}

}  // namespace

std::vector<std::byte> read_stream(int descriptor, const std::string& where, std::size_t max_bytes) {
  std::vector<std::byte> bytes;
  std::size_t used = 0;
  for (;;) {
    if (used == bytes.size()) bytes.resize(std::max<std::size_t>(64 * 1024, used * 2));
    const ssize_t got = ::read(descriptor, bytes.data() + used, bytes.size() - used);
    if (got < 0) {
      if (errno == EINTR) continue;
      fail_errno(where, "cannot read");
    }
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
    if (used > max_bytes) fail(ErrorCode::kLimit, where, "larger than {} bytes", max_bytes);
  }
  bytes.resize(used);
  return bytes;
}

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path, std::size_t max_bytes) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) fail_errno(path, "cannot open");
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail_errno(path, "cannot stat");
  if (S_ISDIR(status.st_mode)) fail(ErrorCode::kInvalidArgument, path, "is a directory, not a file");
  if (S_ISCHR(status.st_mode)) fail(ErrorCode::kInvalidArgument, path, "is a device, not a file");  // some never end

  auto* const made = new MappedFile();
  std::shared_ptr<MappedFile> result(made, Close{made});
  if (!S_ISREG(status.st_mode)) {
    result->owned_ = read_stream(file.get(), path, max_bytes);
    result->bytes_ = result->owned_;
    return result;
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size > max_bytes) fail(ErrorCode::kLimit, path, "{} bytes, more than the {} allowed", size, max_bytes);
  if (size == 0) return result;
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (memory == MAP_FAILED) fail_errno(path, "cannot map");
  result->bytes_ = {static_cast<const std::byte*>(memory), size};
  return result;
}

const MappedFile* MappedFile::shared_by(const std::shared_ptr<const void>& owner) noexcept {
  const auto* close = std::get_deleter<Close>(owner);
  return close == nullptr ? nullptr : close->file;
}

std::shared_ptr<const MappedFile> MappedFile::from_bytes(std::vector<std::byte> bytes) {
  std::shared_ptr<MappedFile> result(new MappedFile());
  result->owned_ = std::move(bytes);
  result->bytes_ = result->owned_;
  return result;
}

MappedFile::~MappedFile() {
  if (owned_.empty() && !bytes_.empty()) {
    ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
}

void MappedFile::release(std::span<const std::byte> range) const noexcept {
  if (!owned_.empty() || range.empty()) return;
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = (reinterpret_cast<std::uintptr_t>(range.data()) + page - 1) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(range.data() + range.size()) / page * page;
  if (begin < end) ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  static std::atomic<unsigned> counter{0};
  std::error_code ignored;
  const std::filesystem::file_status status = std::filesystem::status(path_, ignored);
  if (std::filesystem::is_directory(status)) fail(ErrorCode::kIo, path_, "is a directory, not a file");
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CLOEXEC);
    if (descriptor_ < 0) fail(ErrorCode::kIo, path_, "cannot write: {}", std::strerror(errno));
    return;
  }
  if (std::filesystem::is_symlink(std::filesystem::symlink_status(path_, ignored))) {
    // Such as /dev/stdout where standard output is closed: renaming would replace the link itself.
    if (!std::filesystem::exists(status)) fail(ErrorCode::kIo, path_, "is a link that leads nowhere");
    path_ = std::filesystem::canonical(path_, ignored).string();
  }
  do {  // a file of that name was left by a process that was killed
    temporary_ = fmt::format("{}.tmp.{}.{}", path_, ::getpid(), counter++);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (descriptor_ < 0 && errno == EEXIST);
  if (descriptor_ < 0) fail(ErrorCode::kIo, path_, "cannot write: {}", std::strerror(errno));
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(descriptor_, bytes.data(), std::min<std::size_t>(bytes.size(), 1U << 30));
    if (put < 0) {
      if (errno == EINTR) continue;
      fail(ErrorCode::kIo, path_, "cannot write: {}", std::strerror(errno));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(put));
  }
}

void AtomicFile::write_at(std::int64_t offset, std::string_view text) {
  while (!text.empty()) {
    const ssize_t put = ::pwrite(descriptor_, text.data(), text.size(), offset);
    if (put < 0) {
      if (errno == EINTR) continue;
      fail(ErrorCode::kIo, path_, "cannot write: {}", std::strerror(errno));
    }
    text.remove_prefix(static_cast<std::size_t>(put));
    offset += put;
  }
}

void AtomicFile::commit() {
  if (!temporary_.empty() && ::fsync(descriptor_) != 0)
    fail(ErrorCode::kIo, path_, "cannot flush: {}", std::strerror(errno));
  if (::close(std::exchange(descriptor_, -1)) != 0) {
    fail(ErrorCode::kIo, path_, "cannot close: {}", std::strerror(errno));
  }
  if (temporary_.empty()) return;
  if (::rename(temporary_.c_str(), path_.c_str()) != 0) {
    fail(ErrorCode::kIo, path_, "cannot rename into place: {}", std::strerror(errno));
  }
  temporary_.clear();
  const std::string parent = std::filesystem::path(path_).parent_path().string();
  const Descriptor directory(::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());
}

}  // namespace resnet
