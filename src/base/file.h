// Reading files whole, and writing them so that no crash leaves half of one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/input_file.h"
#include "base/temporary_names.h"

namespace resnet {

// All of a file. Throws kNotFound where there is no such file, kInvalidArgument for a directory and a device such as
// /dev/zero, kLimit above `max_bytes`, and kIo otherwise: also where another program writes to it meanwhile.
std::vector<std::byte> read_file(const std::string& path, std::size_t max_bytes = SIZE_MAX);

// All of a stream such as standard input, at most `max_bytes` (kLimit). `where` names it in errors.
std::vector<std::byte> read_stream(int descriptor, const std::string& where, std::size_t max_bytes);

// A file that appears under its name only when commit() has put it there whole: written to a temporary file beside it,
// flushed to the disk, renamed, and the directory flushed. Without commit() the temporary file is removed; a program
// removes it also when a signal ends it (base/temporary_names.h).
//
// What is replaced hands on its owner, rights, access control list and other extended attributes. A file that nobody
// may write to is refused. One that no rename can replace, or not with its owner, is written over by commit() in place,
// which notice() says: a mount of its own, a folder that takes no new files. A symbolic link stays and its file is
// replaced; a device, a pipe and what this process has open (/dev/stdout) are never replaced but written to at once.
class AtomicFile {
 public:
  explicit AtomicFile(std::string path);  // throws kIo: before the work that makes the bytes, not after it
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(std::span<const std::byte> bytes);
  void write_at(std::int64_t offset, std::string_view text);  // over what was written; only where replaces()
  void write(std::string_view text) { write(std::as_bytes(std::span(text.data(), text.size()))); }
  void commit();

  // False for what is written to at once.
  bool replaces() const noexcept { return replaces_; }

 private:
  void open_again(int descriptor);
  void open_beside(bool exists);
  void open_in_place(int reason);
  bool take_attributes(const struct stat& old) const;
  void replace_without_rename();
  void write_in_place();
  [[noreturn]] void fail_to(const char* action) const;

  std::string path_;
  bool replaces_ = true;
  Descriptor descriptor_;
  std::string temporary_;               // beside the file; empty where there is none
  std::optional<TemporaryName> name_;   // of temporary_
  std::optional<Descriptor> in_place_;  // the file itself
  int reason_ = 0;                      // errno of what keeps it from being replaced
};

}  // namespace resnet
