// Reads a tar archive from front to back without unpacking it: POSIX ustar, pax (path, linkpath, size) and GNU long
// names. Strict: what a checksum, a length or a terminator contradicts is an error, not a guess.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/byte_stream.h"
#include "resnet/error.h"

namespace resnet {

struct TarEntry {
  std::string path;  // relative, with "/" between names; no "." or ".." in it, no control characters
  std::uint64_t size = 0;
  enum class Kind { kFile, kDirectory, kLink, kOther } kind = Kind::kFile;
  std::string target;  // what a link names, as it stands there
};

class TarReader {
 public:
  explicit TarReader(ByteStream stream) : stream_(std::move(stream)) {}

  // The next entry, or nothing after the last one. Throws kFormat with the offset in the archive; kLimit for names
  // over 64 KiB; kUnsupported for sparse files and archives of several volumes.
  std::optional<TarEntry> next();

  // Where that entry's data begins in the archive, or in what the archive inflates to.
  std::uint64_t data_offset() const noexcept { return offset_; }
  bool compressed() const noexcept { return stream_.compressed(); }

  // The data of the entry that next() gave; once. Throws kLimit where it is over `max_bytes`, before memory is taken.
  std::vector<std::byte> read(std::size_t max_bytes);

 private:
  using Block = std::array<std::byte, 512>;
  struct Pending {  // what extended headers say of the entry that follows them
    std::optional<std::string> path;
    std::optional<std::string> target;
    std::optional<std::uint64_t> size;
  };

  bool read_block(Block& block);  // false at the end of the file
  void skip(std::uint64_t bytes);
  void read_end();
  std::uint64_t number(std::span<const std::byte> field, const char* name) const;
  void check_sum(const Block& block) const;
  std::string checked_path(std::string_view path) const;
  std::string read_text(std::uint64_t size);
  void parse_pax(std::string_view text, Pending& pending) const;
  TarEntry entry(const Block& block, const Pending& pending);
  [[noreturn]] void fail_here(ErrorCode code, const std::string& message) const;

  ByteStream stream_;
  std::uint64_t offset_ = 0;   // in the archive
  std::uint64_t header_ = 0;   // offset of the current entry's header, for errors
  std::uint64_t data_ = 0;     // bytes of the current entry that nobody has read
  std::uint64_t padding_ = 0;  // and the zeros after them
  bool ended_ = false;
};

}  // namespace resnet
