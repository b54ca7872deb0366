// Files as the operating system gives them: descriptors that close themselves, and reading that notices when somebody
// else changes the file meanwhile. Nothing here maps files: a mapped file that another program shortens ends the
// process with SIGBUS, and one that it overwrites becomes a mixture of two.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace resnet {

// Closes a descriptor when the scope ends.
class Descriptor {
 public:
  explicit Descriptor(int value = -1) noexcept : value_(value) {}
  Descriptor(Descriptor&& other) noexcept : value_(std::exchange(other.value_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(value_, other.value_);
    return *this;
  }
  ~Descriptor();

  int get() const noexcept { return value_; }
  int release() noexcept { return std::exchange(value_, -1); }
  explicit operator bool() const noexcept { return value_ >= 0; }

 private:
  int value_;
};

// open(2) with O_CLOEXEC, never as one of the descriptors 0 to 2, also where these are closed: what a program prints
// must not end in a file. Without a value and with errno where it fails.
Descriptor open_descriptor(const std::string& path, int flags, mode_t mode = 0666) noexcept;

// fail() with what errno says: kNotFound where there is no such file, kIo otherwise.
[[noreturn]] void fail_errno(const std::string& path, const char* action);

// A file that is open for reading. Functions may be called from any thread.
class InputFile {
 public:
  // Throws kNotFound where there is no such file, kInvalidArgument for a directory and for a device such as /dev/zero,
  // kIo otherwise.
  explicit InputFile(std::string path);

  const std::string& path() const noexcept { return path_; }
  int descriptor() const noexcept { return descriptor_.get(); }
  bool is_regular() const noexcept { return S_ISREG(status_.st_mode); }                    // not a pipe
  std::size_t size() const noexcept { return static_cast<std::size_t>(status_.st_size); }  // when it was opened

  // Fills `out` with the file's bytes from `offset` on. Throws kIo, also where the file ends before or has been written
  // to since it was opened. Only of regular files.
  void read_at(std::size_t offset, std::span<std::byte> out) const;

  // The same, to several places one after another, without looking whether somebody has written to the file, for those
  // who tell otherwise. Changes `parts`.
  void read_unchecked(std::size_t offset, std::span<struct iovec> parts) const;

  struct stat status() const;  // now
  struct timespec changed() const noexcept {
    return status_.st_ctim;
  }                                                          // in any way, when it was opened
  bool is_unchanged(const struct stat& now) const noexcept;  // of the size and time that it had when it was opened
  [[noreturn]] void fail_changed() const;

 private:
  std::string path_;
  Descriptor descriptor_;
  struct stat status_ {};
};

}  // namespace resnet
