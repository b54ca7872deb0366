// A directory or an archive as files that have paths: what there is, in one order, and the bytes. What the files mean,
// index.h knows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace resnet {

// The bytes of a file, kept alive by `owner`.
struct FileBytes {
  std::shared_ptr<const void> owner;
  std::span<const std::byte> bytes;
};

struct ContainedFile {
  enum class Kind { kFile, kFolder, kLink };
  std::string path;                     // relative, with "/" between names; no "." or ".." in it
  Kind kind = Kind::kFile;              // links of directories are followed and count as what they lead to
  std::string target;                   // of a link, as it stands there
  std::uint64_t number = 0;             // of the container's files in their order
  std::uint64_t size = 0;               // 0 where nobody knows yet (directories)
  std::optional<std::uint64_t> offset;  // where the bytes lie in the archive, where they lie there as they are
};

// The files one after another. For one thread.
class Walk {
 public:
  Walk() = default;
  Walk(const Walk&) = delete;
  Walk& operator=(const Walk&) = delete;
  virtual ~Walk() = default;

  // The next file, or nothing behind the last one. Throws kFormat, kIo, kLimit, kUnsupported.
  virtual std::optional<ContainedFile> next() = 0;

  // The bytes of the file that next() gave; once. Throws the same; kLimit where they are more than `max_bytes`.
  virtual std::vector<std::byte> read(std::size_t max_bytes) = 0;
};

// Functions may be called from any thread.
class Container {
 public:
  // A directory; or an archive, told by its first bytes: zip, or tar, plain or compressed as decompressors.h says.
  // Throws kNotFound, kIo, kFormat, kUnsupported.
  static std::shared_ptr<const Container> open(const std::string& path);

  // One of a directory's files and others beside it, as if there were nothing else.
  static std::shared_ptr<const Container> of_files(const std::string& directory, std::vector<std::string> names);

  Container() = default;
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;
  virtual ~Container() = default;

  virtual bool is_directory() const noexcept { return false; }

  // Of a file, for people; of a directory's files where they are.
  virtual std::string name_of(const std::string& path) const = 0;

  virtual std::unique_ptr<Walk> walk() const = 0;

  // Can a file be read without all that stand before it?
  virtual bool reads_anywhere() const noexcept = 0;

  // Where it can, a file that a walk has given: path, number, size and offset. Throws kNotFound, kIo, also where
  // somebody has written to an archive since it was opened; kFormat; kLimit above `max_bytes`.
  virtual FileBytes read(const ContainedFile& file, std::size_t max_bytes) const = 0;
};

}  // namespace resnet
