// An archive's file, open as long as somebody reads it. Whoever reads gets the bytes that it had when it was opened, or
// an error: an archive that somebody writes to meanwhile would give pictures and classes that do not belong together.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "formats/byte_stream.h"

namespace resnet {

// Functions may be called from any thread.
class ArchiveFile {
 public:
  // Throws kNotFound, kIo; kInvalidArgument for a directory.
  explicit ArchiveFile(std::string path);
  ArchiveFile(const ArchiveFile&) = delete;
  ArchiveFile& operator=(const ArchiveFile&) = delete;
  ~ArchiveFile();

  const std::string& path() const noexcept { return path_; }
  bool is_regular() const noexcept { return S_ISREG(status_.st_mode); }  // not a pipe, which can be read once
  std::uint64_t size() const noexcept { return static_cast<std::uint64_t>(status_.st_size); }

  // Bytes of a regular file from `offset` on; fewer only at its end. Throws kIo.
  std::size_t read_at(std::uint64_t offset, std::span<std::byte> out) const;

  // What comes next from a pipe. Throws kIo.
  std::size_t read_next(std::span<std::byte> out) const;

 private:
  std::string path_;
  int descriptor_;
  struct stat status_ {};
};

// The file from its beginning, unpacked where it is compressed.
ByteStream stream_of(std::shared_ptr<const ArchiveFile> file);

}  // namespace resnet
