// Reading files by mapping them and writing them so that no crash leaves half of one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace resnet {

// A whole file as read-only memory. Bytes stay valid as long as the object lives. The file must not be truncated by
// others meanwhile: reading beyond its new end would stop the process with SIGBUS.
class MappedFile {
 public:
  // Throws kNotFound where there is no such file, kInvalidArgument for a directory and a device such as /dev/zero,
  // kIo otherwise. Pipes are read into memory, at most `max_bytes` (kLimit).
  static std::shared_ptr<const MappedFile> open(const std::string& path, std::size_t max_bytes = SIZE_MAX);

  // The file that open() gave and `owner` shares; null for any other owner.
  static const MappedFile* shared_by(const std::shared_ptr<const void>& owner) noexcept;

  // Bytes that came from elsewhere than a file, for those who read files.
  static std::shared_ptr<const MappedFile> from_bytes(std::vector<std::byte> bytes);

  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  std::span<const std::byte> bytes() const noexcept { return bytes_; }

  // Tells the kernel that these bytes will not be read soon, so that they stop counting as resident memory.
  void release(std::span<const std::byte> range) const noexcept;

 private:
  struct Close {  // tells a shared pointer to a file from others
    const MappedFile* file;
    void operator()(const MappedFile* /*file*/) const noexcept { delete file; }
  };

  MappedFile() = default;
  std::span<const std::byte> bytes_;
  std::vector<std::byte> owned_;  // where the file could not be mapped
};

// All of a stream such as standard input, at most `max_bytes` (kLimit). `where` names it in errors.
std::vector<std::byte> read_stream(int descriptor, const std::string& where, std::size_t max_bytes);

// A file that appears under its name only when commit() has put it there whole: written to a temporary file beside it,
// flushed to the disk, renamed, and the directory flushed. Without commit() the temporary file is removed. A symbolic
// link stays and its file is replaced; a device or pipe (/dev/stdout) is never replaced but written to at once.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);  // throws kIo
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(std::span<const std::byte> bytes);
  void write_at(std::int64_t offset, std::string_view text);  // over what was written; only where replaces()
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  void commit();

  // False for a device or pipe.
  bool replaces() const noexcept { return !temporary_.empty(); }

 private:
  std::string path_;
  std::string temporary_;
  int descriptor_ = -1;
};

}  // namespace resnet
